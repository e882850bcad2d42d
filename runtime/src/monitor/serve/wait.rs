//! Waiting: which files, until when.

use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::client::Clients;
use super::{Monitor, Phase};

/// What something has happened to. Indexes are valid until clients or outputs are swept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token {
    Output(usize),
    Client(usize),
    Input,
    Sync,
    Process,
    Listener,
}

/// Waits until something happens or a limit is reached. A client's first line comes before output that
/// it may want; that the program runs before its output, whose log may block; output before the process' end; and
/// new clients last, so that indexes hold.
pub(super) fn wait(monitor: &Monitor) -> Vec<(Token, PollFlags)> {
    let mut files = Vec::with_capacity(6 + monitor.clients.all().len());
    let mut tokens = Vec::with_capacity(files.capacity());
    let mut add = |token, file, events| {
        tokens.push(token);
        files.push(PollFd::from_borrowed_fd(file, events));
    };
    let input_takes = monitor.input.takes();
    for (index, client) in monitor.clients.all().iter().enumerate() {
        if let Some(events) = client.interest(input_takes) {
            add(Token::Client(index), client.socket(), events);
        }
    }
    if let Phase::Starting { sync, .. } = &monitor.phase {
        // Only its hanging up counts: what init says before is no reason to wake up.
        add(Token::Sync, sync.as_fd(), PollFlags::empty());
    }
    if !monitor.clients.stalled() {
        for (index, output) in monitor.outputs.iter().enumerate() {
            add(Token::Output(index), output.file(), PollFlags::IN);
        }
    }
    if let Some(file) = monitor.input.waits_for() {
        add(Token::Input, file, PollFlags::OUT);
    }
    if let Phase::Running { .. } = &monitor.phase {
        add(Token::Process, monitor.pidfd.as_fd(), PollFlags::IN);
    }
    if let Some(listener) = monitor.clients.listener() {
        add(Token::Listener, listener, PollFlags::IN);
    }
    let limit = match &monitor.phase {
        Phase::Starting { limit, .. } | Phase::Ended { limit, .. } => Some(*limit),
        Phase::Running { trim, .. } => *trim,
    };
    let limit =
        [limit, monitor.clients.limit(), monitor.log.next_flush()].into_iter().flatten().min();
    wait_for(&mut files, &tokens, limit)
}

/// Waits for clients that still have to be served.
pub(super) fn clients_only(clients: &Clients, limit: Instant) -> Vec<(usize, PollFlags)> {
    let mut files = Vec::with_capacity(clients.all().len());
    let mut tokens = Vec::with_capacity(files.capacity());
    for (index, client) in clients.all().iter().enumerate() {
        if let Some(events) = client.interest(true) {
            tokens.push(index);
            files.push(PollFd::from_borrowed_fd(client.socket(), events));
        }
    }
    let limit = clients.limit().map_or(limit, |own| own.min(limit));
    wait_for(&mut files, &tokens, Some(limit))
}

fn wait_for<T: Copy>(
    files: &mut [PollFd<'_>],
    tokens: &[T],
    limit: Option<Instant>,
) -> Vec<(T, PollFlags)> {
    let timeout = limit.map(|limit| {
        let left = limit.saturating_duration_since(Instant::now());
        Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        }
    });
    if poll(files, timeout.as_ref()).is_err() {
        // Interrupted: the caller looks at its limits and comes back.
        return Vec::new();
    }
    let events = files.iter().map(|file| file.revents());
    tokens.iter().copied().zip(events).filter(|(_, events)| !events.is_empty()).collect()
}
