//! A connection that has become a raw stream (attach, exec).

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::Stream;
use crate::stdcopy::{self, Output};

/// The two directions of a hijacked connection.
#[derive(Debug)]
pub struct Hijack {
    /// Status of the answer: 101, 200, or an error's.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    pub(super) stream: UnixStream,
    pub(super) early: Vec<u8>,
}

impl Hijack {
    pub(super) fn new(answer: Stream) -> Self {
        let (stream, early) = answer.body.into_parts();
        Self { status: answer.status, headers: answer.headers, stream, early }
    }

    /// The value of a header field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Fails unless the status is `status`.
    #[track_caller]
    pub fn expect(mut self, status: u16) -> Self {
        if self.status != status {
            self.stream.set_read_timeout(Some(Duration::from_secs(1))).expect("timeout is set");
            let mut rest = std::mem::take(&mut self.early);
            let _until_timeout = self.stream.read_to_end(&mut rest);
            panic!("status {} ≠ {status}: {}", self.status, String::from_utf8_lossy(&rest));
        }
        self
    }

    /// Sends bytes to the container's stdin.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("stdin is written");
    }

    /// Closes our direction: the container sees the end of its stdin.
    pub fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("stdin is closed");
    }

    /// Everything until the daemon closes.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.early);
        self.stream.read_to_end(&mut all).expect("stream is read to its end");
        all
    }

    /// The next `length` bytes.
    #[track_caller]
    pub fn read_exact(&mut self, length: usize) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.early);
        let early = all.len().min(length);
        all.resize(length, 0);
        self.stream.read_exact(&mut all[early..]).expect("stream is read");
        all
    }

    /// Everything until the daemon closes or is silent for `patience`; whether it closed.
    #[track_caller]
    pub fn read_for(&mut self, patience: Duration) -> (Vec<u8>, bool) {
        let mut all = std::mem::take(&mut self.early);
        self.stream.set_read_timeout(Some(patience)).expect("timeout is set");
        let closed = self.stream.read_to_end(&mut all).is_ok();
        (all, closed)
    }

    /// Everything until the daemon closes, as text.
    #[track_caller]
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.read_to_end()).into_owned()
    }

    /// Everything until the daemon closes, split into streams.
    #[track_caller]
    pub fn output(&mut self) -> Output {
        stdcopy::split(&self.read_to_end())
    }

    /// Reads until the bytes so far contain `wanted`; they are given back as text.
    #[track_caller]
    pub fn read_until(&mut self, wanted: &str) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        let mut all = std::mem::take(&mut self.early);
        let mut block = [0; 4096];
        self.stream.set_read_timeout(Some(Duration::from_secs(30))).expect("timeout is set");
        while !String::from_utf8_lossy(&all).contains(wanted) {
            let count = self.stream.read(&mut block).unwrap_or(0);
            all.extend_from_slice(&block[..count]);
            let so_far = String::from_utf8_lossy(&all);
            assert!(count > 0 && Instant::now() < end, "no {wanted:?} in {so_far:?}");
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}
