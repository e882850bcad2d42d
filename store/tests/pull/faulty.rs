//! A registry that does as it is told: a plain listener, a thread a connection, and a hook that
//! may answer any request in its stead, with cuts, lies, stalls and endless bodies.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Longest head of a request, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// A request; names of headers in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// An answer, and how it goes wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Bytes of the body after which the connection is cut.
    pub(crate) cut: Option<usize>,
    /// The body goes on with zeros for ever, and no length is told.
    pub(crate) endless: bool,
    /// Nothing is sent for so long after the head.
    pub(crate) stall: Option<Duration>,
}

impl Response {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{code} told"}}]}}"#);
        Self::new(status, body)
    }
}

/// What the registry has: by `sha256:…` and by `<repository>:<tag>`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) blobs: HashMap<String, Vec<u8>>,
    /// Media type and bytes, by digest.
    pub(crate) manifests: HashMap<String, (String, Vec<u8>)>,
    pub(crate) tags: HashMap<String, String>,
}

type Hook = Box<dyn Fn(&Request, &Content) -> Option<Response> + Send + Sync>;

/// Any byte stream that a connection may run over.
pub(crate) trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}
type Accept = Box<dyn Fn(TcpStream) -> Option<Box<dyn Connection>> + Send + Sync>;

struct State {
    content: Content,
    hook: Hook,
    accept: Accept,
    log: Mutex<Vec<Request>>,
    closed: AtomicBool,
}

/// The registry; it ends when this is dropped.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

impl Registry {
    /// Serves `content` on a free loopback port.
    pub(crate) fn start(content: Content) -> Self {
        Self::with_hook(content, |_, _| None)
    }

    /// The same, but `hook` goes first.
    pub(crate) fn with_hook(
        content: Content,
        hook: impl Fn(&Request, &Content) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        let accept = |stream| Some(Box::new(stream) as Box<dyn Connection>);
        Self::with_accept(content, hook, accept)
    }

    /// The same over connections that `accept` makes, TLS for instance.
    pub(crate) fn with_accept(
        content: Content,
        hook: impl Fn(&Request, &Content) -> Option<Response> + Send + Sync + 'static,
        accept: impl Fn(TcpStream) -> Option<Box<dyn Connection>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = listener.local_addr().expect("address");
        let state = Arc::new(State {
            content,
            hook: Box::new(hook),
            accept: Box::new(accept),
            log: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.closed.load(Ordering::Relaxed) {
                    break;
                }
                let state = Arc::clone(&shared);
                thread::spawn(move || {
                    if let Some(stream) = (state.accept)(stream) {
                        serve(stream, &state);
                    }
                });
            }
        });
        Self { address, state }
    }

    /// `localhost:port`.
    pub(crate) fn domain(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.log.lock().expect("log").clone()
    }

    /// The requests whose path contains `part`.
    pub(crate) fn requests_for(&self, part: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.path.contains(part)).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: Box<dyn Connection>, state: &State) {
    let Some(request) = read_request(&mut stream) else { return };
    state.log.lock().expect("log").push(request.clone());
    let response =
        (state.hook)(&request, &state.content).unwrap_or_else(|| answer(&request, &state.content));
    // The client may be gone.
    drop(write_response(&mut stream, &request, &response));
}

fn read_request(stream: &mut dyn Connection) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() > HEAD_LIMIT || stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        // A TLS greeting: who knocks so is sent away, as most servers do.
        if head.is_empty() && !byte[0].is_ascii_uppercase() {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}

fn write_response(
    stream: &mut dyn Connection,
    request: &Request,
    response: &Response,
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", response.status);
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !response.endless {
        head += &format!("content-length: {}\r\n", response.body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.flush()?;
    if let Some(stall) = response.stall {
        thread::sleep(stall);
    }
    if request.method == "HEAD" {
        return Ok(());
    }
    let end = response.cut.unwrap_or(response.body.len()).min(response.body.len());
    stream.write_all(&response.body[..end])?;
    if response.endless {
        loop {
            stream.write_all(&[b' '; 8192])?;
        }
    }
    stream.flush()
}

/// What an honest registry answers.
pub(crate) fn answer(request: &Request, content: &Content) -> Response {
    let Some(path) = request.path.strip_prefix("/v2/") else {
        return Response::error(404, "NOT_FOUND");
    };
    if path.is_empty() {
        return Response::new(200, "{}");
    }
    if let Some((repository, name)) = path.rsplit_once("/manifests/") {
        return manifest(repository, name, content);
    }
    if let Some((_, digest)) = path.rsplit_once("/blobs/") {
        return blob(request, digest, content);
    }
    match path.strip_suffix("/tags/list") {
        Some(repository) => tags(repository, content),
        None => Response::error(404, "NOT_FOUND"),
    }
}

fn manifest(repository: &str, name: &str, content: &Content) -> Response {
    let tagged = content.tags.get(&format!("{repository}:{name}"));
    let digest = tagged.map_or(name, String::as_str);
    match content.manifests.get(digest) {
        Some((media_type, bytes)) => Response::new(200, bytes.clone())
            .with("content-type", media_type)
            .with("docker-content-digest", digest),
        None => Response::error(404, "MANIFEST_UNKNOWN"),
    }
}

fn blob(request: &Request, digest: &str, content: &Content) -> Response {
    let Some(bytes) = content.blobs.get(digest) else {
        return Response::error(404, "BLOB_UNKNOWN");
    };
    let from = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        None => Response::new(200, bytes.clone()),
        Some(from) if from >= bytes.len() => Response::error(416, "RANGE_INVALID"),
        Some(from) => Response::new(206, &bytes[from..])
            .with("content-range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
    }
}

fn tags(repository: &str, content: &Content) -> Response {
    let prefix = format!("{repository}:");
    let mut tags: Vec<_> =
        content.tags.keys().filter_map(|name| name.strip_prefix(&prefix)).collect();
    tags.sort_unstable();
    Response::new(200, serde_json::json!({ "name": repository, "tags": tags }).to_string())
}
