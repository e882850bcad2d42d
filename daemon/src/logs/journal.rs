//! Reading a container's log from systemd's journal, by a `journalctl` for each client: nothing else that hosts have
//! knows the journal's files. Times, streams and pieces of lines are those that the monitor sent with each entry.
//!
//! [`export`] reads what it writes.

mod export;

use std::io::{self, ErrorKind};
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::entry::{Rendered, render};
use super::{ENTRY_MAX, Options};
use export::Split;

const PROGRAM: &str = "journalctl";
/// Clients that may read the journal at once: each costs a process.
const READERS_MAX: usize = 64;
/// Bytes read at once, and about the size of the pieces that are sent.
const CHUNK: usize = 64 * 1024;
/// How long the journal may take to write down what it was sent.
const SYNC_LIMIT: Duration = Duration::from_secs(5);
/// How much of journalctl's complaint is told.
const COMPLAINT_MAX: u64 = 1024;

static READERS: Semaphore = Semaphore::const_new(READERS_MAX);

/// A place in the journal.
#[derive(Debug)]
pub(crate) struct Journal {
    id: String,
    options: Options,
    opened: Timestamp,
    child: Child,
    output: ChildStdout,
    /// The beginning of an entry whose end was not read yet.
    pending: Vec<u8>,
    /// The journal's name of the last entry.
    cursor: Option<String>,
    past: bool,
    _permit: SemaphorePermit<'static>,
}

impl Journal {
    /// The beginning of what `options` asks of the entries of a container that there are.
    pub(crate) async fn open(id: String, options: Options) -> io::Result<Self> {
        let full = |_| io::Error::other(format!("{READERS_MAX} clients read the journal already"));
        let permit = READERS.try_acquire().map_err(full)?;
        let opened = Timestamp::now();
        sync().await?;
        let (child, output) = spawn(&arguments(&id, &options, None, false))?;
        let (pending, cursor, past) = (Vec::new(), None, false);
        Ok(Self { id, options, opened, child, output, pending, cursor, past, _permit: permit })
    }

    /// The next piece; nothing at the end. What was not waited for to its end is not lost.
    pub(crate) async fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut out = Vec::new();
        loop {
            self.take(&mut out)?;
            if !out.is_empty() {
                return Ok(Some(out));
            }
            if self.past {
                return Ok(None);
            }
            self.pending.reserve(CHUNK);
            if self.output.read_buf(&mut self.pending).await? == 0 {
                return self.end().await.map(|()| None);
            }
        }
    }

    /// Reads on behind the last entry: to the end of what the journal was sent by now or, with `follow`, for ever.
    pub(crate) async fn go_on(&mut self, follow: bool) -> io::Result<()> {
        if !follow {
            sync().await?;
        }
        if self.cursor.is_none() {
            // Nothing was wanted of what there was.
            self.options.since = self.options.since.max(Some(self.opened));
        }
        self.options.tail = None;
        self.pending.clear();
        let arguments = arguments(&self.id, &self.options, self.cursor.as_deref(), follow);
        // The one before is killed as it is dropped.
        (self.child, self.output) = spawn(&arguments)?;
        Ok(())
    }

    /// Whether everything later is beyond `until`.
    pub(crate) fn is_past(&self) -> bool {
        self.past
    }

    fn take(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut rest = self.pending.as_slice();
        while !self.past {
            match export::split(rest) {
                Split::Entry(fields, behind) => {
                    rest = behind;
                    if let Some(cursor) = fields.text("__CURSOR") {
                        self.cursor = Some(cursor.into_owned());
                    }
                    let entry = fields.entry(self.options.details);
                    self.past = render(&entry, &self.options, out) == Rendered::Past;
                }
                Split::Incomplete if rest.len() <= ENTRY_MAX => break,
                Split::Incomplete | Split::Broken => {
                    return Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "journalctl wrote no entry",
                    ));
                }
            }
        }
        let taken = self.pending.len() - rest.len();
        self.pending.drain(..taken);
        Ok(())
    }

    async fn end(&mut self) -> io::Result<()> {
        let mut complaint = String::new();
        if let Some(errors) = self.child.stderr.take() {
            BufReader::new(errors).take(COMPLAINT_MAX).read_to_string(&mut complaint).await?;
        }
        match self.child.wait().await? {
            status if status.success() => Ok(()),
            status => Err(io::Error::other(format!("{PROGRAM}: {status}: {}", complaint.trim()))),
        }
    }
}

/// What the container has said until now is in the journal's files.
async fn sync() -> io::Result<()> {
    let mut command = command();
    command.arg("--sync").stdout(Stdio::null()).stderr(Stdio::null());
    match timeout(SYNC_LIMIT, command.status()).await {
        // A journal that does not answer has still what it wrote before.
        Ok(Ok(_)) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(told(&error)),
    }
}

fn spawn(arguments: &[String]) -> io::Result<(Child, ChildStdout)> {
    let mut command = command();
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| told(&error))?;
    let output = child.stdout.take();
    output.map(|output| (child, output)).ok_or_else(|| io::Error::other("journalctl has no output"))
}

fn command() -> Command {
    let mut command = Command::new(PROGRAM);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn told(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the journal is read by {PROGRAM}: {error}"))
}

fn arguments(id: &str, options: &Options, cursor: Option<&str>, follow: bool) -> Vec<String> {
    let mut all: Vec<String> =
        ["--quiet", "--no-pager", "--output=export"].map(String::from).into();
    if !options.details {
        all.push(format!("--output-fields={}", export::FIELDS.join(",")));
    }
    match (options.tail, cursor, options.since) {
        (_, Some(cursor), _) => all.push(format!("--after-cursor={cursor}")),
        (Some(count), ..) => all.push(format!("--lines={count}")),
        // The journal got an entry after its time: nothing since then is missed.
        (None, None, Some(since)) => all.push(format!("--since=@{}", since.as_second())),
        (None, None, None) => {}
    }
    if follow {
        all.push("--follow".to_owned());
        all.push("--no-tail".to_owned());
    }
    all.push(format!("CONTAINER_ID_FULL={id}"));
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::ALL;
    use super::*;

    #[test]
    fn journalctl_is_asked_for_what_is_wanted() {
        let asked = |options: &Options, cursor, follow| {
            let all = arguments("abc", options, cursor, follow);
            assert_eq!(all.last().unwrap(), "CONTAINER_ID_FULL=abc");
            all[3..all.len() - 1].join(" ").replace(&export::FIELDS.join(","), "F")
        };
        assert_eq!(asked(&ALL, None, false), "--output-fields=F");
        assert_eq!(asked(&ALL, None, true), "--output-fields=F --follow --no-tail");
        let since = Timestamp::from_millisecond(1500).ok();
        let some = Options { tail: Some(0), details: true, since, ..ALL };
        assert_eq!(asked(&some, None, false), "--lines=0");
        assert_eq!(asked(&some, Some("x"), true), "--after-cursor=x --follow --no-tail");
        assert_eq!(asked(&Options { tail: None, ..some }, None, false), "--since=@1");
    }
}
