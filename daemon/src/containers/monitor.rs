//! The daemon's side of a monitor's socket: where it is, how to connect, what comes over it.

mod listeners;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use runtime::monitor::protocol::{self, Command, ExitRecord, Hello, Role, State};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::{FramedRead, LinesCodec};

pub(super) use listeners::{is_monitor, listeners};

use super::handle::Streams;
use super::signals;
use super::state::Running;

/// Longest line that a monitor may send, in bytes.
const LINE_MAX: usize = 64 * 1024;
/// Names in the run directory.
const SOCKET: &str = "monitor.sock";
const RECORD: &str = "monitor.json";
/// Largest exit record that is read, in bytes.
const RECORD_MAX: u64 = 64 * 1024;

/// Time between two looks at the process of a monitor of an unknown version; and what that monitor has to write the
/// record of an end.
const LOOK: Duration = Duration::from_millis(250);

/// The directory of a running container under the exec root: socket and exit record.
#[derive(Debug, Clone)]
pub(super) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    pub(super) fn new(root: &Path, id: &str) -> Self {
        Self { path: root.join(id) }
    }

    /// Makes the directory, 0700, if it is not there.
    pub(super) fn create(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)
    }

    /// Where the monitor writes its exit record.
    pub(super) fn record(&self) -> PathBuf {
        self.path.join(RECORD)
    }

    /// Binds the monitor's socket; an old one is replaced, an old exit record removed.
    pub(super) fn bind(&self) -> io::Result<UnixListener> {
        let root = self.open_root()?;
        for stale in [SOCKET, RECORD] {
            match fs::remove_file(self.path.join(stale)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let path = self.short(&root);
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    }

    /// Connects to the monitor and says what for. It may not have accepted yet.
    pub(super) fn connect(&self, role: Role) -> io::Result<StdStream> {
        let root = self.open_root()?;
        let mut stream = StdStream::connect(self.short(&root))?;
        let mut hello = serde_json::to_vec(&Hello { version: protocol::VERSION, role })?;
        hello.push(b'\n');
        stream.write_all(&hello)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    /// The exit record, if the monitor wrote one.
    pub(super) fn read_record(&self) -> Option<ExitRecord> {
        let file = File::open(self.record()).ok()?;
        serde_json::from_reader(io::Read::take(file, RECORD_MAX)).ok()
    }

    /// Removes socket and record.
    pub(super) fn forget(&self) {
        for name in [SOCKET, RECORD] {
            let _ = fs::remove_file(self.path.join(name));
        }
    }

    /// Removes the directory and all in it.
    pub(super) fn remove(&self) {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "a run directory is left");
            }
            _ => {}
        }
    }

    fn open_root(&self) -> io::Result<OwnedFd> {
        let root = self.path.parent().unwrap_or(&self.path);
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        Ok(fs::OpenOptions::new().read(true).custom_flags(flags).open(root)?.into())
    }

    /// The socket's path through the root's descriptor: socket addresses hold 107 bytes only (unix(7)). The kernel shows it
    /// as the socket's name, by which [`listeners`] knows whose it is.
    fn short(&self, root: &OwnedFd) -> PathBuf {
        let own = Path::new(self.path.file_name().unwrap_or_default()).join(SOCKET);
        PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd())).join(own)
    }
}

/// A connection to a monitor that is still to be made: our end, and the monitor's for the launch.
pub(super) fn connection() -> io::Result<(StdStream, OwnedFd)> {
    let (ours, monitors) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ours, monitors.into()))
}

impl From<Streams> for Role {
    fn from(streams: Streams) -> Self {
        let Streams { stdin, stdout, stderr } = streams;
        Self::Attach { stdin, stdout, stderr }
    }
}

/// The connection over which a monitor tells how it goes.
#[derive(Debug)]
pub(super) struct Control {
    lines: FramedRead<OwnedReadHalf, LinesCodec>,
    writer: OwnedWriteHalf,
    /// Set when the monitor does not speak this daemon's version: the first process of its container, whose end is
    /// all that there is to hear.
    stranger: Option<Running>,
}

impl Control {
    /// Takes a connected socket, whose hello is sent.
    pub(super) fn new(stream: StdStream) -> io::Result<Self> {
        let (reader, writer) = UnixStream::from_std(stream)?.into_split();
        let lines = FramedRead::new(reader, LinesCodec::new_with_max_length(LINE_MAX));
        Ok(Self { lines, writer, stranger: None })
    }

    /// The monitor is of a version that this daemon does not know. From here on only the end of the process is
    /// awaited, and the end of the connection means nothing.
    pub(super) fn estrange(&mut self, process: Running) {
        self.stranger = Some(process);
    }

    /// Whether the monitor is of an unknown version.
    pub(super) fn is_strange(&self) -> bool {
        self.stranger.is_some()
    }

    /// The next state; `None` when the monitor has ended. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<State> {
        if let Some(process) = &self.stranger {
            while signals::is_alive(process) {
                tokio::time::sleep(LOOK).await;
            }
            tokio::time::sleep(LOOK).await;
            return None;
        }
        loop {
            let line = match self.lines.next().await? {
                Ok(line) => line,
                Err(error) => {
                    tracing::warn!(%error, "a monitor's connection can not be read");
                    return None;
                }
            };
            match serde_json::from_str(&line) {
                Ok(state) => return Some(state),
                Err(error) => tracing::warn!(%error, line, "a monitor's line is not understood"),
            }
        }
    }

    /// Sets the size of the terminal.
    pub(super) async fn resize(&mut self, rows: u16, cols: u16) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Command::Resize { rows, cols })?;
        line.push(b'\n');
        self.writer.write_all(&line).await
    }
}
