//! The program's output: which stream, and reading a piece of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// Longest piece of output that is read at once, in bytes.
pub(super) const PIECE_MAX: usize = 16 * 1024;

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

    /// Reads a piece; `Some(0)` when there is nothing now, `None` at the end. A terminal ends with
    /// EIO once nobody has its other side open.
    pub(super) fn read(&mut self, piece: &mut [u8]) -> Option<usize> {
        match rustix::io::read(&self.file, piece) {
            Ok(count) if count > 0 => Some(count),
            Err(Errno::INTR | Errno::AGAIN) => Some(0),
            Ok(_) | Err(_) => {
                self.ended = true;
                None
            }
        }
    }
}
