//! HTTP/1.1 over a unix socket, by hand: tests see exactly the bytes that a daemon sends.
//!
//! One connection a request. `client/body.rs` decodes bodies, `client/hijack.rs` holds upgraded
//! connections, `client/attempt.rs` has the forms for a daemon that may die.

mod attempt;
mod body;
mod hijack;
pub mod websocket;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use body::Body;
pub use hijack::Hijack;
use serde_json::Value;

use crate::schema;

/// How long any read may wait before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon's socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// What was asked, for messages.
    pub asked: String,
    /// HTTP status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Decoded body.
    pub body: Vec<u8>,
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Stream {
    /// What was asked, for messages.
    pub asked: String,
    /// HTTP status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, decoded as it comes.
    pub body: Body,
}

impl Client {
    /// A client of the daemon at `socket`.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// The path of the socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// HEAD.
    #[track_caller]
    pub fn head(&self, path: &str) -> Answer {
        self.send("HEAD", path, &[], b"")
    }

    /// DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    /// POST without a body.
    #[track_caller]
    pub fn post(&self, path: &str) -> Answer {
        self.send("POST", path, &[], b"")
    }

    /// POST of a JSON document.
    #[track_caller]
    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.send("POST", path, &[("Content-Type", "application/json")], body.as_bytes())
    }

    /// Any request; the answer is read to its end.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.open(method, path, headers, body).finish()
    }

    /// Any request; only the head of the answer is read.
    #[track_caller]
    pub fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Stream {
        let mut head = head(method, path);
        head += "Connection: close\r\n";
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut stream = self.connect();
        // A daemon may answer and close before it has read all: what it said still counts.
        let written = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        read_head(BufReader::new(stream), method, path)
            .unwrap_or_else(|error| panic!("{method} {path}: {error} (written: {written:?})"))
    }

    /// A request without a body and without any field but these; only the head of the answer is read.
    #[track_caller]
    pub fn open_with(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Stream {
        let mut head = head(method, path);
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        let mut stream = self.connect();
        stream.write_all((head + "\r\n").as_bytes()).expect("request is written");
        read_head(BufReader::new(stream), method, path)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Asks for the connection itself, as the CLI does for attach and exec.
    #[track_caller]
    pub fn upgrade(&self, path: &str, body: Option<&Value>) -> Hijack {
        self.hijack(path, body, true)
    }

    /// Takes the connection over without asking for it: the form of old clients (200, then raw).
    #[track_caller]
    pub fn take_over(&self, path: &str, body: Option<&Value>) -> Hijack {
        self.hijack(path, body, false)
    }

    #[track_caller]
    fn hijack(&self, path: &str, body: Option<&Value>, ask: bool) -> Hijack {
        let mut head = head("POST", path);
        if ask {
            head += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "text/plain" } else { "application/json" };
        head += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut stream = self.connect();
        stream.write_all((head + &body).as_bytes()).expect("request is written");
        let answer = read_head(BufReader::new(stream), "POST", path)
            .unwrap_or_else(|error| panic!("POST {path}: {error}"));
        Hijack::new(answer)
    }

    /// Sends `bytes` as they are and reads whatever comes until the daemon closes (or 5 s pass).
    #[track_caller]
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout is set");
        let _closed_early = stream.write_all(bytes);
        let mut all = Vec::new();
        let mut block = [0; 4096];
        while let Ok(count) = stream.read(&mut block) {
            if count == 0 {
                break;
            }
            all.extend_from_slice(&block[..count]);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// A connection with nothing said on it yet.
    #[track_caller]
    pub fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket)
            .unwrap_or_else(|error| panic!("connect {}: {error}", self.socket.display()));
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout is set");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout is set");
        stream
    }

    /// Whether the daemon answers `_ping`.
    pub fn is_up(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(&self.socket) else { return false };
        let asked = b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout is set");
        let mut start = [0; 12];
        stream.write_all(asked).is_ok()
            && stream.read_exact(&mut start).is_ok()
            && start.ends_with(b"200")
    }
}

fn head(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: jocker-tests\r\n")
}

fn read_head(
    mut reader: BufReader<UnixStream>,
    method: &str,
    path: &str,
) -> std::io::Result<Stream> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status in {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let empty = method == "HEAD" || status == 204 || status == 304;
    let body = Body::new(reader, status, &headers, empty);
    Ok(Stream { asked: format!("{method} {path}"), status, headers, body })
}

impl Stream {
    /// Reads the body to its end.
    #[track_caller]
    pub fn finish(self) -> Answer {
        let asked = self.asked.clone();
        self.try_finish().unwrap_or_else(|error| panic!("{asked}: body: {error}"))
    }

    /// Reads the body to its end, if it has one: a daemon that fails halfway cuts it off.
    pub fn try_finish(mut self) -> std::io::Result<Answer> {
        let mut body = Vec::new();
        self.body.read_to_end(&mut body)?;
        schema::report(&self.asked, self.status, &body);
        Ok(Answer { asked: self.asked, status: self.status, headers: self.headers, body })
    }

    /// The next JSON line of a stream of them; `None` at its end.
    #[track_caller]
    pub fn next_json(&mut self) -> Option<Value> {
        let line = self.body.line().unwrap_or_else(|error| panic!("{}: {error}", self.asked))?;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}")))
    }

    /// Gives reads another end than the usual one.
    pub fn set_patience(&mut self, limit: Duration) {
        self.body.set_patience(limit);
    }
}

impl Answer {
    /// The value of a header field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error} in {:?}", self.asked, self.text()))
    }

    /// The body as a line of JSON each.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        self.text().lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
    }

    /// The `message` of an error answer.
    #[track_caller]
    pub fn message(&self) -> String {
        let json = self.json();
        json["message"].as_str().unwrap_or_else(|| panic!("no message in {json}")).to_owned()
    }

    /// Fails unless the status is `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let body = self.text();
        assert_eq!(self.status, status, "{}: {}", self.asked, body.trim());
        self
    }
}

/// A text as a value of a query: every byte in its escaped form.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
