//! Requests to a daemon that may die meanwhile: what breaks is an error, not a panic.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Answer, Client, Hijack, head, read_head};

impl Client {
    /// Any request, with a JSON body if there is one.
    ///
    /// # Errors
    /// When the daemon is not there, ends before the whole answer has come, or takes longer than `limit` for it
    /// (`WouldBlock`).
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> io::Result<Answer> {
        let end = Instant::now() + limit;
        let mut answer = self.try_open(method, path, "Connection: close\r\n", body, limit)?;
        let (mut bytes, mut block) = (Vec::new(), [0; 16 * 1024]);
        loop {
            match end.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Err(io::ErrorKind::WouldBlock.into()),
                left => answer.body.set_patience(left),
            }
            match answer.body.read(&mut block)? {
                0 => break,
                count => bytes.extend_from_slice(&block[..count]),
            }
        }
        Ok(Answer {
            asked: answer.asked,
            status: answer.status,
            headers: answer.headers,
            body: bytes,
        })
    }

    /// Asks for the connection itself. Whatever the status is, the rest of the connection is given back.
    ///
    /// # Errors
    /// As [`Client::try_send`].
    pub fn try_upgrade(
        &self,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> io::Result<Hijack> {
        let ask = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
        self.try_open("POST", path, ask, body, limit).map(Hijack::new)
    }

    fn try_open(
        &self,
        method: &str,
        path: &str,
        fields: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> io::Result<super::Stream> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut text = head(method, path) + fields;
        if method == "POST" {
            let length = body.len();
            text += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
        }
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        stream.write_all((text + "\r\n" + &body).as_bytes())?;
        read_head(BufReader::new(stream), method, path)
    }
}

impl Hijack {
    /// What comes within `limit`, or until the other side ends: then the second value is true.
    pub fn read_within(&mut self, limit: Duration) -> (Vec<u8>, bool) {
        let end = Instant::now() + limit;
        let mut all = std::mem::take(&mut self.early);
        let mut block = [0; 16 * 1024];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return (all, false);
            }
            match self.stream.read(&mut block) {
                Ok(0) => return (all, true),
                Ok(count) => all.extend_from_slice(&block[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (all, false),
                Err(_) => return (all, true),
            }
        }
    }
}
