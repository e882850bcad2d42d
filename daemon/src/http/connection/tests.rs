//! Connections against handlers made up here: both forms of hijacking, early bytes, half-close,
//! keep-alive, the daemon's end.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::http::hijack::Hijack;
use crate::http::reply;

const LONG: Duration = Duration::from_secs(10);

/// Hijacks under `/raw`, refuses under `/no`, waits for ever under `/wait`, else says `hello`.
fn dispatch(request: Request) -> Call {
    let path = request.uri().path().to_owned();
    let kind = match path.as_str() {
        "/raw" | "/no" => Kind::Hijacking,
        "/wait" => Kind::Passive,
        _ => Kind::Ordinary,
    };
    let reply = async move {
        let (mut parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1024).await.unwrap();
        match path.as_str() {
            "/raw" => {
                let Ok(hijack) = Hijack::from_request_parts(&mut parts, &()).await;
                hijack.accept(true, |stream| echo(stream, body))
            }
            "/no" => StatusCode::NOT_FOUND.into_response(),
            "/wait" => {
                let (sender, response) = reply::stream(reply::JSON);
                tokio::spawn(async move { sender.closed().await });
                response
            }
            _ => "hello".into_response(),
        }
    };
    Call { kind, reply: Box::pin(reply) }
}

/// Says the request's body, then whatever comes until the client closes its half, then `end`.
async fn echo(mut stream: Stream, body: bytes::Bytes) {
    let mut input = Vec::new();
    stream.write_all(&body).await.unwrap();
    stream.read_to_end(&mut input).await.unwrap();
    stream.write_all(&input).await.unwrap();
    stream.write_all(b"end").await.unwrap();
}

struct Client {
    socket: UnixStream,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Client {
    fn connect() -> Self {
        let (socket, theirs) = UnixStream::pair().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(dispatch, Socket::Unix(theirs), stop.clone()));
        Self { socket, stop, served }
    }

    async fn send(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
    }

    /// Everything up to the end of the stream.
    async fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        let read = self.socket.read_to_end(&mut bytes);
        tokio::time::timeout(LONG, read).await.expect("the server ends the stream").unwrap();
        tokio::time::timeout(LONG, self.served).await.expect("the connection ends").unwrap();
        String::from_utf8(bytes).unwrap()
    }

    async fn until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            let byte = tokio::time::timeout(LONG, self.socket.read_u8()).await;
            bytes.push(byte.unwrap_or_else(|_| panic!("{end:?} after {bytes:?}")).unwrap());
        }
        String::from_utf8(bytes).unwrap()
    }
}

const UPGRADE: &str = "POST /raw HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
                       Content-Length: 4\r\n\r\nbody";

#[tokio::test]
async fn an_upgrade_answers_101_and_goes_on_raw() {
    let mut client = Client::connect();
    client.send(UPGRADE).await;
    let head = client.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    for line in [
        "Connection: Upgrade",
        "Upgrade: tcp",
        "Content-Type: application/vnd.docker.multiplexed-stream",
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
    }
    client.send(" input ").await;
    client.socket.shutdown().await.unwrap();
    assert_eq!(client.rest().await, "body input end");
}

#[tokio::test]
async fn without_an_upgrade_the_answer_is_200_and_raw() {
    let mut client = Client::connect();
    client.send("POST /raw HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n").await;
    let head = client.until("\r\n\r\n").await;
    let expected = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
    assert_eq!(head, expected);
    client.send("input ").await;
    client.socket.shutdown().await.unwrap();
    assert_eq!(client.rest().await, "input end");
}

#[tokio::test]
async fn early_bytes_and_an_early_half_close_are_kept() {
    for request in [UPGRADE, "POST /raw HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\n\r\nbody"] {
        let mut client = Client::connect();
        client.send(&format!("{request} early ")).await;
        client.socket.shutdown().await.unwrap();
        let answer = client.rest().await;
        assert!(answer.ends_with("\r\n\r\nbody early end"), "{answer}");
    }
    let mut client = Client::connect();
    client.send("POST /raw HTTP/1.1\r\nHost: d\r\n\r\n").await;
    client.socket.shutdown().await.unwrap();
    let answer = client.rest().await;
    assert!(answer.ends_with("\r\n\r\nend"), "{answer}");
}

#[tokio::test]
async fn a_refused_hijack_leaves_the_connection_usable() {
    let mut client = Client::connect();
    client.send("POST /no HTTP/1.1\r\nHost: d\r\n\r\n").await;
    let head = client.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    client.send("GET / HTTP/1.1\r\nHost: d\r\n\r\n").await;
    client.until("hello").await;
    client.send("POST /no HTTP/1.1\r\nHost: d\r\n\r\n").await;
    client.socket.shutdown().await.unwrap();
    assert!(client.rest().await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_streamed_answer_s_head_goes_out_at_once() {
    let mut client = Client::connect();
    client.send("POST /wait HTTP/1.1\r\nHost: d\r\n\r\n").await;
    let head = client.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    client.socket.shutdown().await.unwrap();
    client.rest().await;
}

#[tokio::test]
async fn the_daemon_s_end_cuts_what_only_waits() {
    for request in ["", "GET /wait HTTP/1.1\r\nHost: d\r\n\r\n", UPGRADE] {
        let mut client = Client::connect();
        client.send(request).await;
        if !request.is_empty() {
            client.until("\r\n\r\n").await;
        }
        client.stop.cancel();
        client.rest().await;
    }
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let mut client = Client::connect();
    let line = format!("X-Long: {}\r\n", "a".repeat(8000));
    client.send("GET / HTTP/1.1\r\nHost: d\r\n").await;
    let mut sent = 0;
    while sent < 2 * MAX_HEAD_BYTES && client.socket.write_all(line.as_bytes()).await.is_ok() {
        sent += line.len();
    }
    let head = client.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
}
