//! The local streams connected to a container's or an exec's: bytes both ways, the terminal's size
//! and signals followed.

use std::io::{self, Read};

use api_spec::stdcopy::{Demultiplexer, Stream};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::{Client, FromDaemon, Path, ToDaemon};
use crate::terminal::{self, RawMode};

/// Bytes read at once, either way.
const CHUNK: usize = 32 * 1024;
/// Chunks of stdin that wait to be sent.
const STDIN_QUEUE: usize = 4;
/// Signals that are passed on; the others are this process's own business.
const SIGNALS: [(i32, &str); 8] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (10, "USR1"),
    (12, "USR2"),
    (14, "ALRM"),
    (15, "TERM"),
    (18, "CONT"),
];

/// An open connection to a container's streams.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) from: FromDaemon,
    pub(crate) to: ToDaemon,
    /// A terminal's stream is raw, any other is cut into frames.
    pub(crate) tty: bool,
    /// Whether the local stdin is sent.
    pub(crate) stdin: bool,
}

impl Session {
    /// Passes bytes until the other side has no more.
    pub(crate) async fn run(self) -> io::Result<()> {
        let raw_mode = if self.tty && self.stdin { RawMode::enter()? } else { None };
        let mut unsent = None;
        let sender = if self.stdin {
            Some(tokio::spawn(send(self.to)))
        } else {
            unsent = Some(self.to);
            None
        };
        let result = receive(self.from, self.tty).await;
        if let Some(sender) = sender {
            sender.abort();
        }
        drop((raw_mode, unsent));
        result
    }
}

/// Writes what the container writes. A connection that is reset counts as its end.
async fn receive(mut from: FromDaemon, tty: bool) -> io::Result<()> {
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    let mut frames = Demultiplexer::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        };
        if tty {
            stdout.write_all(&buffer[..count]).await?;
            stdout.flush().await?;
            continue;
        }
        write_frames(&mut frames, &buffer[..count], &mut stdout, &mut stderr).await?;
    }
}

/// Writes the payload of frames to where it belongs.
pub(crate) async fn write_frames(
    frames: &mut Demultiplexer,
    bytes: &[u8],
    stdout: &mut tokio::io::Stdout,
    stderr: &mut tokio::io::Stderr,
) -> io::Result<()> {
    let mut pieces = Vec::new();
    frames
        .feed(bytes, |stream, piece| pieces.push((stream, piece.to_vec())))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    for (stream, piece) in pieces {
        match stream {
            Stream::Stdin | Stream::Stdout => stdout.write_all(&piece).await?,
            Stream::Stderr => stderr.write_all(&piece).await?,
            Stream::SystemError => {
                let text = String::from_utf8_lossy(&piece).into_owned();
                return Err(io::Error::other(format!("error from daemon in stream: {text}")));
            }
        }
    }
    stdout.flush().await?;
    stderr.flush().await
}

/// Sends the local stdin, then says that there is no more.
async fn send(mut to: ToDaemon) {
    let (chunks, mut queue) = mpsc::channel(STDIN_QUEUE);
    // A read from a terminal can not be given up, so it has a thread of its own that the end of
    // the process does not wait for.
    std::thread::spawn(move || read_stdin(&chunks));
    while let Some(chunk) = queue.recv().await {
        // The other side may end before it has read everything.
        if to.write_all(&chunk).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

fn read_stdin(chunks: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match io::stdin().lock().read(&mut buffer) {
            Ok(0) => return,
            Ok(count) if chunks.blocking_send(buffer[..count].to_vec()).is_err() => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Tells the daemon the terminal's size now and whenever it changes. `path` is the resize endpoint.
pub(crate) fn follow_size(client: &Client, path: Path) -> io::Result<JoinHandle<()>> {
    let client = client.clone();
    let mut changes = signal(SignalKind::window_change())?;
    Ok(tokio::spawn(async move {
        loop {
            if let Some((rows, columns)) = terminal::size() {
                let path = path.clone().with("h", rows).with("w", columns);
                // The process may have ended, or not begun.
                let _ = client.command(Method::POST, &path).await;
            }
            if changes.recv().await.is_none() {
                return;
            }
        }
    }))
}

/// Passes signals on to the container.
pub(crate) fn forward_signals(client: &Client, container: &str) -> io::Result<Vec<JoinHandle<()>>> {
    let forward = |(number, name): (i32, &'static str)| {
        let client = client.clone();
        let path = Path::container(container, "/kill").with("signal", name);
        let mut arrivals = signal(SignalKind::from_raw(number))?;
        Ok(tokio::spawn(async move {
            while arrivals.recv().await.is_some() {
                // The container may have ended meanwhile.
                let _ = client.command(Method::POST, &path).await;
            }
        }))
    };
    SIGNALS.into_iter().map(forward).collect()
}
