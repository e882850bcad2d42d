//! A log file that a process of its own writes, for containers that must not wait for the disk (`mode=non-blocking`):
//! a child of the monitor, which holds nothing of the container open and ends when it has written everything.
//!
//! Both are connected by a pair of SEQPACKET sockets. A packet to the child is one byte that says whether a new file
//! begins here, and whole entries. The child answers when writing begins to fail, or to succeed again: with the error's
//! number, or 0.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, recv, send, shutdown,
    socketpair,
};

use super::backlog::Backlog;
use super::file::{File, Limits};
use crate::sys::{self, clone::Side};

/// Longest packet that the child takes, in bytes: what is collected, and one entry of escapes and long attributes.
/// The kernel's own bound of a packet is lower by default (`net.core.wmem_default`).
const PACKET_MAX: usize = 1024 * 1024;

/// How long an ended container waits until its last entries are written.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The monitor's side.
#[derive(Debug)]
pub(super) struct Apart {
    socket: OwnedFd,
    child: OwnedFd,
    backlog: Backlog,
    packet: Vec<u8>,
    /// Bytes of the current file, those under way among them.
    size: u64,
    max_size: Option<u64>,
    /// The next packet begins a new file.
    begins: bool,
    /// The child can not write, by this error's number.
    failing: Option<i32>,
}

impl Apart {
    /// Starts the child. `buffer`: bytes of entries that are kept while it waits for the disk.
    pub(super) fn open(path: PathBuf, limits: Limits, buffer: usize) -> io::Result<Self> {
        // The child opens it for itself; what is wrong with it is to be told at the start.
        let size = File::open(path.clone(), limits)?.size();
        let (socket, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let child = match sys::clone::clone(0, None)? {
            Side::Child => std::process::exit(i32::from(serve(&theirs, path, limits).is_err())),
            Side::Parent { pidfd, .. } => pidfd,
        };
        let max_size = limits.max_size.filter(|max| *max > 0);
        let (backlog, packet) = (Backlog::new(buffer, "log file"), Vec::new());
        Ok(Self { socket, child, backlog, packet, size, max_size, begins: false, failing: None })
    }

    /// As [`File::is_full`].
    pub(super) fn is_full(&self, more: usize) -> bool {
        let size = self.size + more as u64;
        self.max_size.is_some_and(|max| size >= max && size > 0)
    }

    /// What comes next goes to a new file.
    pub(super) fn rotate(&mut self) {
        self.begins = true;
        self.size = 0;
    }

    /// Passes entries on, or keeps them if there is room. An error of the child is told with the entries after those
    /// that were lost by it.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut answer = [0; 4];
        while let Ok((4, _)) = recv(&self.socket, &mut answer, RecvFlags::DONTWAIT) {
            self.failing = Some(i32::from_le_bytes(answer)).filter(|errno| *errno != 0);
        }
        self.packet.clear();
        self.packet.push(u8::from(self.begins));
        self.packet.extend_from_slice(bytes);
        let taken = match self.catch_up() {
            true => self.backlog.push(&self.packet),
            false => match send(&self.socket, &self.packet, FLAGS) {
                Err(rustix::io::Errno::AGAIN) => self.backlog.push(&self.packet),
                sent => sent.map(drop).map_err(io::Error::from),
            },
        };
        taken?;
        self.begins = false;
        self.size += bytes.len() as u64;
        self.failing.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }

    /// Sends what waits, as far as the child takes it. Whether something still waits.
    pub(super) fn catch_up(&mut self) -> bool {
        self.backlog.empty_into(|packet| send(&self.socket, packet, FLAGS).is_ok());
        !self.backlog.is_empty()
    }

    /// Waits a bounded time until everything is written. Bytes that the child did not take; what it took, it writes
    /// when the disk lets it.
    pub(super) fn close(&mut self) -> usize {
        let limit = Instant::now() + CLOSE_LIMIT;
        while self.catch_up() && wait(self.socket.as_fd(), PollFlags::OUT, limit) {}
        let _ = shutdown(&self.socket, Shutdown::Write);
        wait(self.child.as_fd(), PollFlags::IN, limit);
        self.backlog.bytes()
    }
}

/// A child that has died is an error, not a signal.
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// Whether that happens to `file` before the limit.
fn wait(file: BorrowedFd<'_>, events: PollFlags, limit: Instant) -> bool {
    let left = limit.saturating_duration_since(Instant::now());
    let left =
        Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
    let mut files = [PollFd::from_borrowed_fd(file, events)];
    matches!(poll(&mut files, Some(&left)), Ok(1..)) && files[0].revents().contains(events)
}

/// The child: writes what comes until nothing more can.
fn serve(socket: &OwnedFd, path: PathBuf, limits: Limits) -> io::Result<()> {
    rustix::stdio::dup2_stdin(socket)?;
    // Streams of the container must end when it ends.
    sys::process::close_from(3)?;
    let socket = rustix::stdio::stdin();
    let mut file = File::open(path, limits)?;
    let mut packet = vec![0; PACKET_MAX];
    let mut failed = false;
    loop {
        let length = recv(socket, &mut packet[..], RecvFlags::empty())?.1;
        let Some((begins, entries)) = packet[..length].split_first() else { return Ok(()) };
        if *begins != 0 {
            file.rotate();
        }
        let errno = match file.append(entries) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(rustix::io::Errno::IO.raw_os_error()),
        };
        if errno != 0 || failed {
            // A monitor that does not listen knows already.
            let _ = send(socket, &errno.to_le_bytes(), FLAGS);
        }
        failed = errno != 0;
    }
}
