//! Questions that other name servers answer: sent on as they came, under a number of their own.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// Servers that are asked, one after the other.
const MAX_SERVERS: usize = 3;
/// How long each may take.
const PATIENCE: Duration = Duration::from_millis(2500);
/// The longest message, in bytes.
const MAX_MESSAGE: usize = u16::MAX as usize;
/// Where the number, the response code and the question are in a message; RFC 1035, section 4.1.1.
const NUMBER: std::ops::Range<usize> = 0..2;
const CODE: usize = 3;
const CODE_BITS: u8 = 0x0f;
const HEADER: usize = 12;
/// Response codes that say nothing about the name: another server may know more.
const SERVER_FAILURE: u8 = 2;
const REFUSED: u8 = 5;

/// The first useful answer, if there is one. `question` has a whole header.
pub(super) async fn ask(
    servers: &[SocketAddr],
    question: &[u8],
    datagram: bool,
) -> Option<Vec<u8>> {
    let mut last = None;
    for server in servers.iter().take(MAX_SERVERS) {
        let answer = match datagram {
            true => timeout(PATIENCE, by_datagram(*server, question)).await,
            false => timeout(PATIENCE, by_stream(*server, question)).await,
        };
        match answer {
            Ok(Ok(answer)) => {
                let useful = !matches!(answer[CODE] & CODE_BITS, SERVER_FAILURE | REFUSED);
                last = Some(answer);
                if useful {
                    break;
                }
            }
            Ok(Err(error)) => tracing::debug!(%server, %error, "a name server is not reached"),
            Err(_) => tracing::debug!(%server, "a name server does not answer"),
        }
    }
    last
}

/// The question under a new number, and that number.
fn numbered(question: &[u8]) -> (Vec<u8>, [u8; 2]) {
    let number: [u8; 2] = rand::random();
    let mut bytes = question.to_vec();
    bytes[NUMBER].copy_from_slice(&number);
    (bytes, number)
}

/// Whether this answers that question; then it gets the question's number.
fn accept(mut answer: Vec<u8>, number: [u8; 2], question: &[u8]) -> Option<Vec<u8>> {
    if answer.len() < HEADER || answer[NUMBER] != number {
        return None;
    }
    answer[NUMBER].copy_from_slice(&question[NUMBER]);
    Some(answer)
}

async fn by_datagram(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    let (bytes, number) = numbered(question);
    socket.send(&bytes).await?;
    loop {
        let mut buffer = Vec::with_capacity(MAX_MESSAGE);
        socket.recv_buf(&mut buffer).await?;
        if let Some(answer) = accept(buffer, number, question) {
            return Ok(answer);
        }
    }
}

async fn by_stream(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let (bytes, number) = numbered(question);
    write(&mut stream, &bytes).await?;
    let answer = read(&mut stream).await?;
    accept(answer, number, question).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads one message with its length before it; RFC 1035, section 4.2.2.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Writes one message with its length before it.
pub(super) async fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_under_the_same_number_count() {
        let question = [7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let (sent, number) = numbered(&question);
        assert_eq!(sent[2..], question[2..]);
        let mut answer = sent;
        answer[2] |= 0x80;
        assert_eq!(accept(answer.clone(), number, &question).unwrap()[..2], [7, 7]);
        let other = [number[0].wrapping_add(1), number[1]];
        assert!(accept(answer, other, &question).is_none());
        assert!(accept(vec![number[0], number[1]], number, &question).is_none());
    }
}
