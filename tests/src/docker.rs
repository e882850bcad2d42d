//! The stock CLI (and the `jocker` client) as child processes.

mod terminal;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

pub use terminal::Terminal;

use crate::daemon::{Daemon, built};
use crate::packages;
use crate::patience::becomes;

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Run {
    /// The command line, for messages.
    pub command: String,
    /// Exit code; 128 + n for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Fails unless the exit code is 0; gives stdout without its last line end.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}: {}{}", self.command, self.stdout, self.stderr);
        self.stdout.trim_end().to_owned()
    }

    /// Fails unless the exit code is `code`; gives stderr.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}: {}{}", self.command, self.stdout, self.stderr);
        self.stderr
    }
}

impl Daemon {
    /// Runs the stock CLI against the daemon.
    #[track_caller]
    pub fn docker(&self, args: &[&str]) -> Run {
        finish(self.command(docker(), args), b"")
    }

    /// Runs the stock CLI with something on its stdin.
    #[track_caller]
    pub fn docker_with(&self, args: &[&str], stdin: &[u8]) -> Run {
        finish(self.command(docker(), args), stdin)
    }

    /// Runs the `jocker` client against the daemon.
    #[track_caller]
    pub fn jocker(&self, args: &[&str]) -> Run {
        finish(self.command(built("jocker", "JOCKER"), args), b"")
    }

    /// Runs the `jocker` client with something on its stdin.
    #[track_caller]
    pub fn jocker_with(&self, args: &[&str], stdin: &[u8]) -> Run {
        finish(self.command(built("jocker", "JOCKER"), args), stdin)
    }

    /// Runs another of Docker's clients against the daemon, with variables for its environment.
    #[track_caller]
    pub fn client(&self, program: &Path, args: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut command = self.command(program.to_owned(), args);
        command.envs(environment.iter().copied());
        finish(command, b"")
    }

    /// Starts the stock CLI on a terminal of `rows` and `columns`.
    #[track_caller]
    pub fn docker_on_terminal(&self, args: &[&str], rows: u16, columns: u16) -> Terminal {
        Terminal::start(&self.command(docker(), args), rows, columns)
    }

    /// Starts the `jocker` client on a terminal of `rows` and `columns`.
    #[track_caller]
    pub fn jocker_on_terminal(&self, args: &[&str], rows: u16, columns: u16) -> Terminal {
        Terminal::start(&self.command(built("jocker", "JOCKER"), args), rows, columns)
    }

    /// Starts the stock CLI and leaves it running; its stdin, stdout and stderr are pipes.
    #[track_caller]
    pub fn docker_in_background(&self, args: &[&str]) -> Child {
        let mut command = self.command(docker(), args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("docker is executed")
    }

    fn command(&self, program: PathBuf, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .env("DOCKER_CONFIG", std::env::temp_dir().join("jocker-tests-no-config"))
            .env("DOCKER_CLI_HINTS", "false")
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_API_VERSION");
        command
    }
}

/// The stock CLI.
#[track_caller]
pub fn docker() -> PathBuf {
    packages::program("docker", "docker.io")
}

/// Runs a command to its end.
#[track_caller]
pub fn finish(mut command: Command, stdin: &[u8]) -> Run {
    let shown = shown(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let mut to_child = child.stdin.take().expect("stdin is a pipe");
    let bytes = stdin.to_vec();
    thread::spawn(move || {
        let _reader_went_away = to_child.write_all(&bytes);
    });
    let stdout = reader(child.stdout.take().expect("stdout is a pipe"));
    let stderr = reader(child.stderr.take().expect("stderr is a pipe"));
    let mut status = None;
    if !becomes(LIMIT, || {
        status = child.try_wait().expect("state of the child");
        status.is_some()
    }) {
        child.kill().expect("kill");
        let said = (stdout.join(), stderr.join());
        panic!("{shown}: not ended after {LIMIT:?}: {said:?}");
    }
    Run {
        command: shown,
        code: status.map_or(-1, code),
        stdout: stdout.join().expect("stdout"),
        stderr: stderr.join().expect("stderr"),
    }
}

fn reader(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let _until_closed = from.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    })
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
