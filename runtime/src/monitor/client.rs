//! The clients of a monitor: their first line, what is waiting to be sent to them, and their limits.
//!
//! A client's queue holds what its socket does not take: one piece of output at most, since no more
//! output is read while one queue is not empty. So a slow client slows the program down and loses
//! nothing; one that takes nothing for [`STALL_LIMIT`] is dropped.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, accept_with, recv, sendmsg,
};

use super::output::{PIECE_MAX, Stream};
use super::protocol::{Command, Hello, LINE_MAX, Role, State, VERSION};
use super::start::set_nonblocking;

/// Most clients at once; more wait in the backlog.
const CLIENTS_MAX: usize = 64;

/// How long a client may take for its first line.
const HELLO_LIMIT: Duration = Duration::from_secs(10);

/// How long a client may take nothing of what waits for it.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// Most bytes that wait for one client: a piece of output and its frame fit in.
const QUEUE_MAX: usize = 2 * PIECE_MAX;

/// All clients and the socket on which they come.
#[derive(Debug)]
pub(super) struct Clients {
    /// `None` if nobody will come.
    listener: Option<OwnedFd>,
    all: Vec<Client>,
    /// Output is sent in frames; not for a terminal.
    framed: bool,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Client {
    socket: OwnedFd,
    role: Option<Role>,
    /// The line that is being received.
    line: Vec<u8>,
    queue: Vec<u8>,
    sent: usize,
    /// End of the current limit: of the first line, or of taking nothing.
    limit: Instant,
    /// Nothing more is to come from the client.
    read_ended: bool,
    /// Nothing more can be sent to the client.
    send_ended: bool,
    /// To be dropped once the queue is empty.
    closing: bool,
    /// To be dropped now.
    gone: bool,
}

/// What a client's socket brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Brought {
    Nothing,
    /// It wants to be told the state.
    Control,
    Command(Command),
    /// Standard input.
    Input,
    /// No more standard input from this client.
    InputEnd,
}

impl Clients {
    /// With the clients that are there from the beginning.
    pub(super) fn new(
        listener: Option<OwnedFd>,
        given: Vec<(Role, OwnedFd)>,
    ) -> rustix::io::Result<Self> {
        let sockets = given.iter().map(|(_, socket)| socket);
        for socket in sockets.chain(&listener) {
            set_nonblocking(socket)?;
        }
        let all = given.into_iter().map(|(role, socket)| Client::new(socket, Some(role)));
        Ok(Self { listener, all: all.collect(), framed: true })
    }

    /// Output is one raw stream from now on.
    pub(super) fn set_raw(&mut self) {
        self.framed = false;
    }

    /// The socket to wait for, if there is room for more clients.
    pub(super) fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().filter(|_| self.all.len() < CLIENTS_MAX).map(AsFd::as_fd)
    }

    pub(super) fn all(&self) -> &[Client] {
        &self.all
    }

    /// Accepts every connection that waits.
    pub(super) fn accept(&mut self) {
        while let Some(listener) = self.listener() {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match accept_with(listener, flags) {
                Ok(socket) => self.all.push(Client::new(socket, None)),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(_) => return,
            }
        }
    }

    /// Whether a client that has connected has not said yet what it wants.
    pub(super) fn expects_hello(&self) -> bool {
        self.all.iter().any(|client| client.role.is_none() && !client.closing)
    }

    /// Whether output has to wait for a client.
    pub(super) fn stalled(&self) -> bool {
        self.all.iter().any(|client| client.is_attached() && !client.queue.is_empty())
    }

    /// Whether something waits for a client.
    pub(super) fn unsent(&self) -> bool {
        self.all.iter().any(|client| !client.queue.is_empty())
    }

    /// The next moment at which [`Self::expire`] has something to do.
    pub(super) fn limit(&self) -> Option<Instant> {
        self.all.iter().filter(|client| client.is_limited()).map(|client| client.limit).min()
    }

    /// Drops clients that have gone, are done with, or have used up their time. Says whether one of
    /// them fed standard input and had not ended it.
    pub(super) fn sweep(&mut self, now: Instant) -> bool {
        let mut fed = false;
        self.all.retain(|client| {
            let drop = client.is_over() || (client.is_limited() && client.limit <= now);
            fed |= drop && client.feeds() && !client.read_ended;
            !drop
        });
        fed
    }

    /// Sends a piece of output to those who want it.
    pub(super) fn output(&mut self, stream: Stream, piece: &[u8]) {
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes();
        let [a, b, c, d] = length;
        let header = [stream.number(), 0, 0, 0, a, b, c, d];
        let header: &[u8] = if self.framed { &header } else { b"" };
        for client in self.all.iter_mut().filter(|client| client.wants(stream)) {
            client.send([header, piece]);
        }
    }

    /// Tells every control client the state.
    pub(super) fn tell(&mut self, state: &State) {
        let line = state_line(state);
        for client in self.all.iter_mut().filter(|client| client.role == Some(Role::Control)) {
            client.send([&line, b""]);
        }
    }

    /// Tells one client the state.
    pub(super) fn tell_one(&mut self, index: usize, state: &State) {
        self.all[index].send([&state_line(state), b""]);
    }

    /// The output has ended: attached clients are let go once they have everything.
    pub(super) fn end_output(&mut self) {
        for client in self.all.iter_mut().filter(|client| client.is_attached()) {
            client.closing = true;
        }
    }

    /// Control clients are let go once they have everything.
    pub(super) fn end_control(&mut self) {
        for client in self.all.iter_mut().filter(|client| client.role == Some(Role::Control)) {
            client.closing = true;
        }
    }

    /// Detaches one client.
    pub(super) fn detach(&mut self, index: usize) {
        self.all[index].closing = true;
    }

    /// Handles what poll(2) said of a client; standard input goes to `buffer`.
    pub(super) fn handle(
        &mut self,
        index: usize,
        events: PollFlags,
        buffer: &mut Vec<u8>,
    ) -> Brought {
        let client = &mut self.all[index];
        if events.contains(PollFlags::OUT) {
            client.flush();
        }
        if events.contains(PollFlags::IN) && !client.read_ended {
            return match client.role {
                None => client.hello(),
                Some(Role::Control) => client.command(),
                Some(Role::Attach { .. }) => client.input(buffer),
            };
        }
        if events.intersects(PollFlags::HUP | PollFlags::ERR) {
            client.gone = true;
        }
        Brought::Nothing
    }
}

impl Client {
    /// Without a role, the client has to say it first.
    fn new(socket: OwnedFd, role: Option<Role>) -> Self {
        Self {
            socket,
            role,
            line: Vec::new(),
            queue: Vec::new(),
            sent: 0,
            limit: Instant::now() + HELLO_LIMIT,
            read_ended: false,
            send_ended: false,
            closing: false,
            gone: false,
        }
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What to wait for; `None` when the client's input has to wait until the program takes more
    /// (its hanging up would be reported over and over).
    pub(super) fn interest(&self, input_takes: bool) -> Option<PollFlags> {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::OUT, !self.queue.is_empty());
        let blocked = self.feeds() && !self.read_ended && !input_takes;
        interest.set(PollFlags::IN, !self.read_ended && !blocked);
        (!(blocked && interest.is_empty())).then_some(interest)
    }

    fn is_attached(&self) -> bool {
        matches!(self.role, Some(Role::Attach { .. }))
    }

    fn feeds(&self) -> bool {
        matches!(self.role, Some(Role::Attach { stdin: true, .. }))
    }

    fn is_over(&self) -> bool {
        let done = self.closing && self.queue.is_empty();
        let deaf = self.send_ended && (self.read_ended || !self.feeds());
        self.gone || done || deaf
    }

    fn is_limited(&self) -> bool {
        self.role.is_none() || !self.queue.is_empty()
    }

    fn wants(&self, stream: Stream) -> bool {
        match self.role {
            Some(Role::Attach { stdout, stderr, .. }) if !(self.closing || self.send_ended) => {
                match stream {
                    Stream::Stdout => stdout,
                    Stream::Stderr => stderr,
                }
            }
            _ => false,
        }
    }

    /// Sends what the socket takes, and keeps the rest.
    fn send(&mut self, parts: [&[u8]; 2]) {
        let mut rest = parts;
        if self.queue.is_empty() {
            let slices = rest.map(IoSlice::new);
            let mut none = SendAncillaryBuffer::default();
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match retry_on_intr(|| sendmsg(&self.socket, &slices, &mut none, flags)) {
                Ok(sent) => {
                    let first = sent.min(rest[0].len());
                    rest = [&rest[0][first..], &rest[1][sent - first..]];
                }
                Err(Errno::AGAIN) => {}
                Err(_) => return self.end_sending(),
            }
            self.limit = Instant::now() + STALL_LIMIT;
        }
        rest.iter().for_each(|part| self.queue.extend_from_slice(part));
        if self.queue.len() > QUEUE_MAX {
            self.gone = true;
        }
    }

    /// The client reads no more; what it has written may still be waiting.
    fn end_sending(&mut self) {
        self.send_ended = true;
        self.queue.clear();
        self.sent = 0;
    }

    fn flush(&mut self) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match rustix::net::send(&self.socket, &self.queue[self.sent..], flags) {
            Ok(sent) => {
                self.sent += sent;
                self.limit = Instant::now() + STALL_LIMIT;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.end_sending(),
        }
        if self.sent == self.queue.len() {
            self.queue = Vec::new();
            self.sent = 0;
        }
    }

    fn hello(&mut self) -> Brought {
        let Some(line) = self.receive_line() else { return Brought::Nothing };
        match serde_json::from_slice::<Hello>(&line) {
            Ok(hello) if hello.version == VERSION => {
                let control = hello.role == Role::Control;
                self.role = Some(hello.role);
                if control { Brought::Control } else { Brought::Nothing }
            }
            _ => {
                self.send([&state_line(&State::Unsupported { version: VERSION }), b""]);
                self.closing = true;
                Brought::Nothing
            }
        }
    }

    fn command(&mut self) -> Brought {
        let line = self.receive_line();
        if self.read_ended {
            self.gone = true;
        }
        // Commands of later versions are passed over.
        line.and_then(|line| serde_json::from_slice(&line).ok())
            .map_or(Brought::Nothing, Brought::Command)
    }

    fn input(&mut self, buffer: &mut Vec<u8>) -> Brought {
        let feeds = self.feeds();
        buffer.clear();
        match recv(&self.socket, spare_capacity(buffer), RecvFlags::empty()) {
            Ok((_, 0)) => {
                self.read_ended = true;
                if feeds { Brought::InputEnd } else { Brought::Nothing }
            }
            Ok(_) if feeds => Brought::Input,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Brought::Nothing,
            Err(_) => {
                self.gone = true;
                if feeds { Brought::InputEnd } else { Brought::Nothing }
            }
        }
    }

    /// Takes bytes off the socket up to a line feed and no further: what follows the first line of
    /// an attached client is standard input.
    fn receive_line(&mut self) -> Option<Vec<u8>> {
        let mut peeked = [0; LINE_MAX];
        let room = LINE_MAX - self.line.len();
        let count = match recv(&self.socket, &mut peeked[..room], RecvFlags::PEEK) {
            Ok((0, _)) => {
                self.read_ended = true;
                self.gone |= self.role.is_none();
                return None;
            }
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return None,
            Err(_) => {
                self.gone = true;
                return None;
            }
        };
        let end = peeked[..count].iter().position(|byte| *byte == b'\n');
        let take = end.map_or(count, |at| at + 1);
        if recv(&self.socket, &mut peeked[..take], RecvFlags::empty()).is_err() {
            self.gone = true;
            return None;
        }
        self.line.extend_from_slice(&peeked[..take]);
        if end.is_none() {
            self.gone |= self.line.len() == LINE_MAX;
            return None;
        }
        Some(std::mem::take(&mut self.line))
    }
}

fn state_line(state: &State) -> Vec<u8> {
    // Plain data with text keys: there is nothing in it that JSON can not say.
    let mut line = serde_json::to_vec(state).unwrap_or_default();
    line.push(b'\n');
    line
}
