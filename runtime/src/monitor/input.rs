//! The program's standard input: never blocks, holds one read of one client at most.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// The write side of standard input.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// `None` when the program has no input from clients, or not any more.
    file: Option<OwnedFd>,
    pending: Vec<u8>,
    written: usize,
    /// Close once `pending` is written.
    ending: bool,
    /// The file is still to come.
    awaited: bool,
}

impl Input {
    /// `file` must not block.
    pub(super) fn new(file: Option<OwnedFd>) -> Self {
        Self { file, ..Self::default() }
    }

    /// The file comes later, with the container's terminal: until then clients keep what they send.
    pub(super) fn awaited() -> Self {
        Self { awaited: true, ..Self::default() }
    }

    /// What the program has not taken yet is in the way of more. Without a file, everything is
    /// taken and thrown away, unless the file is still to come.
    pub(super) fn takes(&self) -> bool {
        self.pending.is_empty() && !self.awaited
    }

    /// The file to wait for until it can be written to.
    pub(super) fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().filter(|_| !self.pending.is_empty()).map(AsFd::as_fd)
    }

    /// Hands bytes to the program, after what is pending.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let written = if self.takes() { self.write(bytes) } else { 0 };
        if self.file.is_some() && written < bytes.len() {
            self.pending.extend_from_slice(&bytes[written..]);
        }
    }

    /// Writes on what is pending.
    pub(super) fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.written += self.write(&pending[self.written..]);
        if self.file.is_some() && self.written < pending.len() {
            self.pending = pending;
            return;
        }
        self.written = 0;
        if self.ending {
            self.file = None;
        }
    }

    /// Closes standard input as soon as everything is written.
    pub(super) fn end(&mut self) {
        self.ending = true;
        if self.pending.is_empty() {
            self.file = None;
        }
    }

    /// Writes what the file takes now. A program that reads no more ends the input.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Some(file) = self.file.as_ref().filter(|_| written < bytes.len()) {
            match rustix::io::write(file, &bytes[written..]) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.file = None,
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn a_reader_that_does_not_read_blocks_nobody() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let mut input = Input::new(Some(writer));
        let block = vec![7_u8; 40_000];
        let mut fed = 0;
        while input.takes() {
            input.feed(&block);
            fed += block.len();
        }
        assert!(input.waits_for().is_some());
        input.end();
        let (mut read, mut buffer) = (0, vec![0_u8; 10_000]);
        loop {
            match rustix::io::read(&reader, buffer.as_mut_slice()) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(_) => input.flush(),
            }
        }
        assert_eq!(read, fed);
    }

    #[test]
    fn without_a_reader_everything_is_thrown_away() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        drop(reader);
        let mut input = Input::new(Some(writer));
        input.feed(b"x");
        assert!(input.takes() && input.waits_for().is_none());
        input.feed(b"y");
        assert!(input.takes());
    }
}
