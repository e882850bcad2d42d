//! The tasks of one container's name server: datagrams, and connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::answer::{self, Verdict};
use super::{Shared, forward};

/// The longest question in a datagram, in bytes; RFC 6891 advises less.
const MAX_QUESTION: usize = 4096;
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// How long is waited after a failure of the socket itself.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn udp(socket: UdpSocket, shared: Arc<Shared>) {
    let socket = Arc::new(socket);
    loop {
        let mut question = Vec::with_capacity(MAX_QUESTION);
        let (_, from) = match socket.recv_buf_from(&mut question).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "a container's name server can not receive");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        match answer::find(&question, &shared.client(), &shared.names, true) {
            Verdict::Answer(bytes) => send(&socket, &bytes, from).await,
            Verdict::Forward => {
                let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
                tokio::spawn(async move {
                    if let Some(bytes) = forwarded(&shared, &question, true).await {
                        send(&socket, &bytes, from).await;
                    }
                });
            }
            Verdict::Drop => {}
        }
    }
}

pub(super) async fn tcp(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let Ok(_room) = shared.connections.try_acquire() else { return };
            converse(stream, &shared).await;
        });
    }
}

async fn converse(mut stream: TcpStream, shared: &Shared) {
    while let Ok(Ok(question)) = timeout(SILENCE, forward::read(&mut stream)).await {
        let found = answer::find(&question, &shared.client(), &shared.names, false);
        let answer = match found {
            Verdict::Answer(bytes) => Some(bytes),
            Verdict::Forward => forwarded(shared, &question, false).await,
            Verdict::Drop => None,
        };
        let Some(answer) = answer else { return };
        if !matches!(timeout(SILENCE, forward::write(&mut stream, &answer)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// The answer of somebody else, or one that says that there is none. Nothing where too many wait.
async fn forwarded(shared: &Shared, question: &[u8], datagram: bool) -> Option<Vec<u8>> {
    let _room = shared.forwarded.try_acquire().ok()?;
    let client = shared.client();
    match forward::ask(&client.servers, question, datagram).await {
        Some(answer) => Some(answer),
        None => match answer::failure(question) {
            Verdict::Answer(bytes) => Some(bytes),
            _ => None,
        },
    }
}

async fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(bytes, to).await {
        tracing::debug!(%error, "a container's name server can not answer");
    }
}
