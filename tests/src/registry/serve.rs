//! The registry's connections: one thread each, HTTP/1.1 with keep-alive.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Asked, FaultKind, Guard, State};

/// The only token this registry gives.
const TOKEN: &str = "the-token-of-the-tests";

type Shared = Arc<Mutex<State>>;

pub(super) fn spawn(listener: TcpListener, state: Shared, address: SocketAddr) {
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                let _client_went_away = connection(stream, &state, address);
            });
        }
    });
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Arc<Vec<u8>>,
    from: usize,
}

impl Reply {
    fn text(status: u16, body: &str) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { status, headers, body: Arc::new(body.as_bytes().to_vec()), from: 0 }
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

fn connection(stream: TcpStream, state: &Shared, address: SocketAddr) -> Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read_request(&mut reader)? {
        let (reply, fault) = answer(&asked, state, address);
        if !write_reply(&mut writer, &asked, &reply, fault)? {
            break;
        }
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok(Some(Asked { method, path, headers }))
}

fn answer(asked: &Asked, state: &Shared, address: SocketAddr) -> (Reply, Option<FaultKind>) {
    let mut state = state.lock().expect("the registry's state");
    state.asked.push(asked.clone());
    let fault = state
        .faults
        .iter_mut()
        .find(|fault| fault.times > 0 && asked.path.contains(&fault.on))
        .map(|fault| {
            fault.times -= 1;
            fault.kind
        });
    if let Some(FaultKind::Status(status)) = fault {
        return (Reply::text(status, r#"{"errors":[{"code":"UNKNOWN","message":"fault"}]}"#), None);
    }
    if asked.path.starts_with("/token") {
        return (token(asked, &state.guard), fault);
    }
    if let Some(refusal) = refusal(asked, &state.guard, address) {
        return (refusal, None);
    }
    (content(asked, &state), fault)
}

fn refusal(asked: &Asked, guard: &Guard, address: SocketAddr) -> Option<Reply> {
    let said = asked.headers.get("authorization").map_or("", String::as_str);
    let (wanted, challenge) = match guard {
        Guard::Open => return None,
        Guard::Basic(pair) => {
            (format!("Basic {}", STANDARD.encode(pair)), "Basic realm=\"tests\"".to_owned())
        }
        Guard::Token(_) => (
            format!("Bearer {TOKEN}"),
            format!("Bearer realm=\"http://{address}/token\",service=\"tests\""),
        ),
    };
    (said != wanted).then(|| {
        Reply::text(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}"#)
            .with("WWW-Authenticate", challenge)
    })
}

fn token(asked: &Asked, guard: &Guard) -> Reply {
    let Guard::Token(pair) = guard else { return Reply::text(404, "{}") };
    let said = asked.headers.get("authorization").map_or("", String::as_str);
    if said == format!("Basic {}", STANDARD.encode(pair)) {
        Reply::text(200, &format!(r#"{{"token":"{TOKEN}","expires_in":300}}"#))
    } else {
        Reply::text(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}"#)
    }
}

fn content(asked: &Asked, state: &State) -> Reply {
    let path = asked.path.split('?').next().unwrap_or_default();
    if let Some(json) = state.answers.get(path) {
        return Reply::text(200, json);
    }
    let Some(rest) = path.strip_prefix("/v2/") else { return Reply::text(404, "{}") };
    if rest.is_empty() {
        return Reply::text(200, "{}");
    }
    let found = if let Some((name, wanted)) = rest.split_once("/manifests/") {
        let digest = state.tags.get(&format!("{name}:{wanted}")).map_or(wanted, String::as_str);
        state.content.get(digest).map(|found| (digest, found))
    } else {
        let wanted = rest.split_once("/blobs/").map_or("", |(_, digest)| digest);
        state.content.get(wanted).map(|found| (wanted, found))
    };
    let Some((digest, (media_type, bytes))) = found else {
        let code = if rest.contains("/manifests/") { "MANIFEST_UNKNOWN" } else { "BLOB_UNKNOWN" };
        let message = format!(r#"{{"errors":[{{"code":"{code}","message":"not known here"}}]}}"#);
        return Reply::text(404, &message);
    };
    let reply = Reply { status: 200, headers: Vec::new(), body: Arc::clone(bytes), from: 0 };
    let mut reply = reply
        .with("Content-Type", media_type.clone())
        .with("Docker-Content-Digest", digest.to_owned());
    let range = asked.headers.get("range").filter(|_| state.ranges);
    let from =
        range.and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok());
    if let Some(from) = from.filter(|from| *from < bytes.len()) {
        let total = bytes.len();
        (reply.status, reply.from) = (206, from);
        reply = reply.with("Content-Range", format!("bytes {from}-{}/{total}", total - 1));
    }
    reply
}

/// Whether the connection goes on.
fn write_reply(
    writer: &mut TcpStream,
    asked: &Asked,
    reply: &Reply,
    fault: Option<FaultKind>,
) -> Result<bool> {
    if let Some(FaultKind::Silent(pause)) = fault {
        thread::sleep(Duration::from_millis(pause));
        return Ok(false);
    }
    let body = &reply.body[reply.from..];
    let mut head = format!("HTTP/1.1 {} .\r\nContent-Length: {}\r\n", reply.status, body.len());
    head += "Docker-Distribution-Api-Version: registry/2.0\r\n";
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    writer.write_all((head + "\r\n").as_bytes())?;
    if asked.method == "HEAD" {
        return Ok(true);
    }
    match fault {
        Some(FaultKind::CutAfter(limit)) => {
            writer.write_all(&body[..limit.min(body.len())])?;
            return Ok(false);
        }
        Some(FaultKind::Flip) => {
            let mut other = body.to_vec();
            other[body.len() / 2] ^= 1;
            writer.write_all(&other)?;
            return Ok(true);
        }
        Some(FaultKind::Slow(pause)) => {
            for piece in body.chunks(16 * 1024) {
                writer.write_all(piece)?;
                thread::sleep(Duration::from_millis(pause));
            }
            return Ok(true);
        }
        Some(FaultKind::Status(_) | FaultKind::Silent(_)) | None => {}
    }
    writer.write_all(body)?;
    Ok(true)
}
