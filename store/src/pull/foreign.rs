//! Archives in forms that only clients bring, xz and bzip2: the host's own program inflates them, as
//! with dockerd. Layers of registries never get here, so no registry has a program run.

use std::io::{self, BufRead, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Longest of the beginnings that [`Form::of`] looks at.
pub(crate) const MAGIC_LEN: usize = 6;
/// Bytes of what a program says of its failure.
const SAID_LIMIT: u64 = 256;

/// A form, and the program that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Xz,
    Bzip2,
}

impl Form {
    /// The form of what begins so, if it is one of these.
    pub(crate) fn of(beginning: &[u8]) -> Option<Self> {
        if beginning.starts_with(b"\xfd7zXZ\0") {
            Some(Self::Xz)
        } else if beginning.starts_with(b"BZh") {
            Some(Self::Bzip2)
        } else {
            None
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// What bounds the program's memory: 1 GiB for xz, as the largest preset and some more; bzip2
    /// takes 4 MB at most of itself.
    const fn bounds(self) -> &'static [&'static str] {
        match self {
            Self::Xz => &["--memlimit-decompress=1GiB"],
            Self::Bzip2 => &[],
        }
    }
}

/// What a program inflates, read in the thread that feeds it.
pub(super) struct Inflated<R> {
    source: R,
    form: Form,
    child: Child,
    /// None after the source's end.
    into: Option<ChildStdin>,
    out: ChildStdout,
    has_ended: bool,
}

impl<R: BufRead> Inflated<R> {
    pub(super) fn new(source: R, form: Form) -> io::Result<Self> {
        let mut command = Command::new(form.program());
        command.args(["--decompress", "--stdout"]).args(form.bounds()).current_dir("/");
        command.env_remove("XZ_OPT").env_remove("XZ_DEFAULTS").env_remove("BZIP2");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let program = form.program();
            io::Error::new(
                error.kind(),
                format!("{program} is needed to read this archive: {error}"),
            )
        })?;
        let (Some(into), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a program without pipes"));
        };
        fcntl_setfl(&into, fcntl_getfl(&into)? | OFlags::NONBLOCK)?;
        Ok(Self { source, form, child, into: Some(into), out, has_ended: false })
    }

    /// Gives the program what it takes now.
    fn feed(&mut self) -> io::Result<()> {
        let Some(into) = &mut self.into else { return Ok(()) };
        let bytes = self.source.fill_buf()?;
        if bytes.is_empty() {
            self.into = None;
            return Ok(());
        }
        match into.write(bytes) {
            Ok(count) => self.source.consume(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // It has had enough; its end says whether that is right.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.into = None,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether the program can be read from, or fed.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let mut fds = vec![PollFd::new(&self.out, PollFlags::IN)];
        fds.extend(self.into.as_ref().map(|into| PollFd::new(into, PollFlags::OUT)));
        rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok((is_ready(0), is_ready(1)))
    }

    /// The program's last word.
    fn end(&mut self) -> io::Result<()> {
        self.has_ended = true;
        let mut said = String::new();
        if let Some(stderr) = self.child.stderr.take() {
            let _ = stderr.take(SAID_LIMIT).read_to_string(&mut said);
        }
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        let (program, said) = (self.form.program(), said.lines().next().unwrap_or_default());
        Err(io::Error::other(format!("{program}: {status}: {said}")))
    }
}

impl<R: BufRead> Read for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.has_ended {
            let (is_readable, is_writable) = self.wait()?;
            if is_readable {
                match self.out.read(buffer)? {
                    0 if !buffer.is_empty() => self.end()?,
                    count => return Ok(count),
                }
            } else if is_writable {
                self.feed()?;
            }
        }
        Ok(0)
    }
}

impl<R> Drop for Inflated<R> {
    fn drop(&mut self) {
        if !self.has_ended {
            // It has not been waited for, so the pid is still its own.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
