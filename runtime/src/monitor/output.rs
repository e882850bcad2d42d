//! The program's output: which stream, and reading a piece of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

/// Longest piece of output that is read at once, in bytes.
pub(super) const PIECE_MAX: usize = 32 * 1024;

/// Which of the program's streams. A terminal has the first only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// The first byte of a frame of this stream.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    /// As log entries name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The read side of one stream.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) stream: Stream,
    file: OwnedFd,
    ended: bool,
}

impl Output {
    pub(super) fn new(stream: Stream, file: OwnedFd) -> Self {
        Self { stream, file, ended: false }
    }

    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether [`Self::read`] has come to the end.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Reads a piece into the room that `piece` has; false when there is nothing now, or no more. A
    /// terminal ends with EIO once nobody has its other side open.
    pub(super) fn read(&mut self, piece: &mut Vec<u8>) -> bool {
        piece.clear();
        match rustix::io::read(&self.file, spare_capacity(piece)) {
            Ok(count) if count > 0 => return true,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(_) | Err(_) => self.ended = true,
        }
        false
    }
}
