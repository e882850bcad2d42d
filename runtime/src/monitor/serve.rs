//! The monitor's loop: it alone waits, and it alone changes the state.

mod wait;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::termios::{Winsize, tcsetwinsize};

use self::wait::{Token, wait};
use super::client::{Brought, Clients};
use super::input::Input;
use super::log::{Log, Trouble};
use super::output::{Output, PIECE_MAX, Stream};
use super::protocol::{Command, ExitRecord, State};
use super::record;
use super::start::{Connected, set_nonblocking, start};
use crate::cgroup::Layout;
use crate::error::{StepError, StepErrorKind};
use crate::launch::handshake::{self, FromInit};
use crate::launch::{Kind, LaunchRequest, StdioConfig};
use crate::process;
use crate::start::{self, OwnCgroup, Started};
use crate::sys;
use crate::timeline::{Step, Timeline};

/// How long init may take from its clone to its program.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How long a program has to run before the heap is trimmed: this process may live for months then.
const TRIM_DELAY: Duration = Duration::from_millis(200);

/// How long output is read after the program's end if others hold its streams open.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// How long clients are served after the end.
const CLOSE_LIMIT: Duration = Duration::from_secs(60);

/// Reads what the daemon wants, does it, and returns when nothing is left to do.
pub(super) fn run(
    mut clients: Clients,
    request: LaunchRequest,
    netns: Option<OwnedFd>,
    target: Option<OwnedFd>,
    layout: &Layout,
) {
    clients.accept();
    let LaunchRequest { stdio, kind, .. } = &request;
    let (stdio, kind) = (stdio.clone(), *kind);
    let (record, log) = (request.record.clone(), request.log.clone());
    // Before the program runs: what it says first must have a place.
    let log = Log::open(log).map_err(|error| StepError::call("log file", "open", error));
    let started = log.and_then(|log| Ok((start(request, netns, target, layout)?, log)));
    match started {
        Ok((connected, log)) => {
            Monitor::new(clients, connected, stdio, kind, record, log).serve();
            sys::program::leave_footprint();
        }
        Err(error) => fail(clients, error),
    }
}

/// Tells everybody that the start has failed.
pub(super) fn fail(mut clients: Clients, error: StepError) {
    let last = State::Failed { error };
    clients.tell(&last);
    close(&mut clients, &last);
}

/// How far the process has come.
#[derive(Debug)]
enum Phase {
    /// Init is at work. What it says is read when its end of the socket is closed: by the exec, or
    /// by its end.
    Starting { sync: OwnedFd, limit: Instant },
    /// What the start took of the heap is given back at the moment `trim`, if the program still runs.
    Running { started_at: String, trim: Option<Instant> },
    /// The program has ended; output is read until this moment.
    Ended { exit: ExitRecord, limit: Instant },
}

#[derive(Debug)]
struct Monitor {
    clients: Clients,
    phase: Phase,
    state: State,
    pid: i32,
    pidfd: OwnedFd,
    start_ticks: u64,
    stdio: StdioConfig,
    kind: Kind,
    outputs: Vec<Output>,
    input: Input,
    /// The monitor's side of the program's terminal, for its size.
    terminal: Option<OwnedFd>,
    log: Log,
    record: Option<PathBuf>,
    cgroup: OwnCgroup,
    rootfs: Option<OwnedFd>,
}

impl Monitor {
    fn new(
        clients: Clients,
        connected: Connected,
        stdio: StdioConfig,
        kind: Kind,
        record: Option<PathBuf>,
        log: Log,
    ) -> Self {
        let Connected { started, outputs, input } = connected;
        let Started { pid, pidfd, sync, cgroup, rootfs } = started;
        let limit = Instant::now() + START_LIMIT;
        let input = if stdio.tty && stdio.stdin { Input::awaited() } else { input };
        Self {
            clients,
            phase: Phase::Starting { sync, limit },
            state: State::Starting,
            pid,
            pidfd,
            // Not yet reaped: the number is its own.
            start_ticks: process::start_ticks(pid),
            stdio,
            kind,
            outputs,
            input,
            terminal: None,
            log,
            record,
            cgroup,
            rootfs,
        }
    }

    /// Serves until the process has ended, its output is drained, and everybody has been told.
    fn serve(mut self) {
        if self.stdio.tty {
            self.clients.set_raw();
        }
        let last = match self.work() {
            Ok(exit) => State::Exited { exit },
            Err(error) => {
                start::kill(&self.pidfd);
                State::Failed { error }
            }
        };
        self.log.close();
        self.flush_log();
        self.clients.end_output();
        self.clients.accept();
        self.clients.tell(&last);
        // Who has everything is let go before the groups are removed.
        self.clients.sweep(Instant::now());
        self.cgroup.remove();
        // From here on the container can be started again, however long its last clients take.
        drop(self.rootfs);
        self.clients.end_control();
        close(&mut self.clients, &last);
    }

    /// The loop. Ends with the exit record, or with why the program was never run.
    fn work(&mut self) -> Result<ExitRecord, StepError> {
        let mut buffer = Vec::with_capacity(PIECE_MAX);
        loop {
            self.flush_log();
            for (token, events) in wait(self) {
                match token {
                    Token::Listener => self.clients.accept(),
                    Token::Sync => self.hear_init()?,
                    Token::Process => self.reap(),
                    Token::Output(index) => self.read_output(index, &mut buffer),
                    Token::Input => self.input.flush(),
                    Token::Client(index) => self.handle_client(index, events, &mut buffer),
                }
            }
            let now = Instant::now();
            if self.clients.sweep(now) && self.stdio.stdin_once && !self.stdio.tty {
                self.input.end();
            }
            self.outputs.retain(|output| !output.ended());
            if let Some(exit) = self.advance(now)? {
                return Ok(exit);
            }
        }
    }

    fn flush_log(&mut self) {
        self.log.flush();
        if let Some(Trouble { error, lost, over }) = self.log.news() {
            self.clients.tell(&State::LogLost { error, lost, over });
        }
    }

    /// What follows from everything that has happened.
    fn advance(&mut self, now: Instant) -> Result<Option<ExitRecord>, StepError> {
        let stalled = self.clients.stalled();
        match &mut self.phase {
            Phase::Starting { limit, .. } if *limit <= now => Err(StepError::refused(
                "init",
                format!("not ready after {} s", START_LIMIT.as_secs()),
                StepErrorKind::Other,
            )),
            Phase::Running { trim, .. } if trim.is_some_and(|at| at <= now) => {
                *trim = None;
                sys::clone::trim_stack();
                sys::clone::trim_heap();
                sys::program::leave_footprint();
                Ok(None)
            }
            Phase::Starting { .. } | Phase::Running { .. } => Ok(None),
            Phase::Ended { limit, .. } if stalled => {
                *limit = now + DRAIN_LIMIT;
                Ok(None)
            }
            Phase::Ended { exit, limit } => {
                let over = self.outputs.is_empty() || *limit <= now;
                Ok(over.then(|| exit.clone()))
            }
        }
    }

    /// Init's end of the handshake socket is closed: reads all that it has said.
    fn hear_init(&mut self) -> Result<(), StepError> {
        let mut ready = None;
        while let Phase::Starting { sync, .. } = &self.phase {
            let message = handshake::receive::<FromInit>(sync);
            match message.map_err(|error| start::broken(&error))? {
                Some((FromInit::Terminal, Some(terminal))) => self.take_terminal(terminal)?,
                Some((FromInit::Ready(timeline), _)) => ready = Some(timeline),
                Some((FromInit::Failed(error), _)) => return Err(error),
                Some((message, _)) => {
                    let why = format!("{message:?} is not understood by a monitor");
                    return Err(StepError::refused("init", why, StepErrorKind::Other));
                }
                None => match ready.take() {
                    Some(timeline) => self.run(timeline),
                    None => {
                        let why = "ended before it was ready";
                        return Err(StepError::refused("init", why, StepErrorKind::Other));
                    }
                },
            }
        }
        Ok(())
    }

    /// The program runs: the exec has closed init's end of the handshake socket.
    fn run(&mut self, mut timeline: Timeline) {
        timeline.mark(Step::Executed);
        let started_at = record::now();
        self.state = State::Running {
            pid: self.pid,
            start_ticks: self.start_ticks,
            started_at: started_at.clone(),
            timeline,
        };
        self.phase = Phase::Running { started_at, trim: Some(Instant::now() + TRIM_DELAY) };
        self.clients.tell(&self.state);
    }

    fn take_terminal(&mut self, terminal: OwnedFd) -> Result<(), StepError> {
        let failed = |call: &'static str| {
            move |errno: rustix::io::Errno| StepError::call("terminal", call, errno)
        };
        set_nonblocking(&terminal).map_err(failed("fcntl(F_SETFL)"))?;
        let copy = || rustix::io::fcntl_dupfd_cloexec(&terminal, 0);
        let output = copy().map_err(failed("fcntl(F_DUPFD_CLOEXEC)"))?;
        self.outputs.push(Output::new(Stream::Stdout, output));
        if self.stdio.stdin {
            self.input = Input::new(Some(copy().map_err(failed("fcntl(F_DUPFD_CLOEXEC)"))?));
        }
        self.terminal = Some(terminal);
        if let Some((rows, cols)) = self.stdio.console_size {
            self.resize(rows, cols);
        }
        Ok(())
    }

    fn resize(&mut self, rows: u16, cols: u16) {
        let Some(terminal) = &self.terminal else {
            // The terminal gets it when it comes.
            self.stdio.console_size = Some((rows, cols));
            return;
        };
        let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        // A terminal that is gone has no size.
        let _ = tcsetwinsize(terminal, size);
    }

    fn read_output(&mut self, index: usize, buffer: &mut Vec<u8>) {
        let output = &mut self.outputs[index];
        let stream = output.stream;
        if output.read(buffer) {
            self.clients.output(stream, buffer);
            self.log.output(stream, buffer);
        }
        if self.outputs[index].ended() {
            self.log.end(stream);
        }
    }

    fn handle_client(&mut self, index: usize, events: PollFlags, buffer: &mut Vec<u8>) {
        match self.clients.handle(index, events, buffer) {
            Brought::Nothing => {}
            Brought::Control => self.clients.tell_one(index, &self.state),
            Brought::Command(Command::Resize { rows, cols }) => self.resize(rows, cols),
            Brought::Input => self.input.feed(buffer),
            Brought::InputEnd if !self.stdio.stdin => {}
            Brought::InputEnd if self.stdio.stdin_once && !self.stdio.tty => self.input.end(),
            Brought::InputEnd => self.clients.detach(index),
        }
    }

    /// The process has ended: its status is taken and written down before anybody is told.
    fn reap(&mut self) {
        let Phase::Running { started_at, .. } = &self.phase else { return };
        let Ok(Some(status)) = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED)
        else {
            return;
        };
        let signal = status.terminating_signal();
        let exit = ExitRecord {
            exit_code: signal.map_or_else(|| status.exit_status().unwrap_or(0), |n| 128 + n),
            signal,
            oom_killed: self.kind == Kind::Container && self.cgroup.cgroup.oom_kills() > 0,
            started_at: started_at.clone(),
            finished_at: record::now(),
        };
        // If it can not be written, those who are connected still hear it.
        let _ = self.record.as_ref().map(|record| record::write(record, &exit));
        if self.cgroup.stragglers {
            let _ = self.cgroup.cgroup.kill();
        }
        self.phase = Phase::Ended { exit, limit: Instant::now() + DRAIN_LIMIT };
    }
}

/// Serves what clients still have to hear. Those who come now are told the last state.
fn close(clients: &mut Clients, last: &State) {
    let give_up = Instant::now() + CLOSE_LIMIT;
    let mut buffer = Vec::with_capacity(PIECE_MAX);
    loop {
        clients.accept();
        let now = Instant::now();
        clients.sweep(now);
        let waits = clients.unsent() || clients.expects_hello();
        if !waits || now >= give_up {
            return;
        }
        for (index, events) in wait::clients_only(clients, give_up) {
            if clients.handle(index, events, &mut buffer) == Brought::Control {
                clients.tell_one(index, last);
            }
        }
    }
}
