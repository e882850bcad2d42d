//! The container's log: in Docker's json-file form, in that of its `local` driver, or sent to the
//! journal.
//!
//! One entry a line of output. A line longer than [`LINE_MAX`] becomes several entries, of which
//! only the last ends with a line feed; all of them carry the time of the first. What follows the
//! last line feed when the output ends is an entry without one. Entries that came in one piece of
//! output have the same time.
//!
//! Entries for a file are collected and written at once before the monitor waits.

mod apart;
mod backlog;
mod entry;
mod file;
mod journal;
mod local;
mod stamp;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::apart::Apart;
use self::entry::Entry;
use self::file::{File, Limits};
use self::journal::Journal;
use self::stamp::{Clock, Stamp};
use super::output::Stream;
use crate::launch::{LogConfig, LogForm};

/// Longest piece of a line that becomes one entry, in bytes; Docker's own.
const LINE_MAX: usize = 16 * 1024;

/// The log is written when this many bytes are collected, without waiting for a pause.
const COLLECTED_MAX: usize = 32 * 1024;

/// Time between two tries with a journal, or a writer of its own, that did not take everything: nothing tells when it
/// does.
const RETRY: Duration = Duration::from_millis(50);

/// The log of one container, or nowhere.
#[derive(Debug, Default)]
pub(super) struct Log {
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    sink: Sink,
    clock: Clock,
    lines: [Line; 2],
    trouble: Option<Trouble>,
    /// The trouble has begun or ended, and nobody was told.
    untold: bool,
    /// Entries wait for the journal, or for the disk.
    waits: bool,
}

#[derive(Debug)]
enum Sink {
    File {
        file: Target,
        form: Form,
        /// Entries that are not written yet.
        collected: Vec<u8>,
        /// They are written when they are so many bytes.
        due: usize,
    },
    Journal(Journal),
}

/// Who writes the file.
#[derive(Debug)]
enum Target {
    Here(File),
    Apart(Apart),
}

#[derive(Debug)]
enum Form {
    /// With what [`entry::attributes`] makes of the attributes.
    Json(String),
    Local,
}

/// Why output is lost: a full disk, or a journal that takes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) error: String,
    /// Bytes of entries since it began.
    pub(super) lost: u64,
    /// Entries are kept again.
    pub(super) over: bool,
}

/// The line that a stream is in.
#[derive(Debug, Default)]
struct Line {
    /// What has come of it since the last entry.
    text: Vec<u8>,
    /// When its first piece became an entry.
    since: Option<Stamp>,
    /// Pieces that became entries.
    pieces: u32,
}

impl Target {
    fn open(path: PathBuf, limits: Limits, buffer: Option<usize>) -> io::Result<Self> {
        match buffer {
            None => File::open(path, limits).map(Self::Here),
            Some(buffer) => Apart::open(path, limits, buffer).map(Self::Apart),
        }
    }

    fn is_full(&self, more: usize) -> bool {
        match self {
            Self::Here(file) => file.is_full(more),
            Self::Apart(apart) => apart.is_full(more),
        }
    }

    fn rotate(&mut self) {
        match self {
            Self::Here(file) => file.rotate(),
            Self::Apart(apart) => apart.rotate(),
        }
    }

    fn append(&mut self, entries: &[u8]) -> io::Result<()> {
        match self {
            Self::Here(file) => file.append(entries),
            Self::Apart(apart) => apart.append(entries),
        }
    }

    /// Whether something waits for the disk.
    fn catch_up(&mut self) -> bool {
        match self {
            Self::Here(_) => false,
            Self::Apart(apart) => apart.catch_up(),
        }
    }
}

impl Log {
    /// Opens the log; entries are appended.
    pub(super) fn open(config: LogConfig) -> io::Result<Self> {
        let sink = match config {
            LogConfig::None => return Ok(Self::default()),
            LogConfig::File { form, path, max_size, max_file, compress, buffer } => Sink::File {
                file: Target::open(path, Limits { max_size, max_file, compress }, buffer)?,
                form: match form {
                    LogForm::Json { attributes } => Form::Json(entry::attributes(&attributes)),
                    LogForm::Local => Form::Local,
                },
                collected: Vec::new(),
                // Little is lost at once where a buffer is small.
                due: buffer.map_or(COLLECTED_MAX, |max| COLLECTED_MAX.min(max / 8)),
            },
            LogConfig::Journal { fields, buffer } => Sink::Journal(Journal::open(&fields, buffer)?),
        };
        let (clock, lines) = (Clock::default(), Default::default());
        Ok(Self {
            writer: Some(Writer { sink, clock, lines, trouble: None, untold: false, waits: false }),
        })
    }

    /// Takes a piece of output.
    pub(super) fn output(&mut self, stream: Stream, piece: &[u8]) {
        if let Some(writer) = &mut self.writer {
            let now = writer.clock.now();
            writer.output(stream, piece, now);
        }
    }

    /// The stream has ended.
    pub(super) fn end(&mut self, stream: Stream) {
        if let Some(writer) = &mut self.writer {
            let now = writer.clock.now();
            writer.end(stream, now);
        }
    }

    /// Writes what is collected.
    pub(super) fn flush(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.flush();
        }
    }

    /// When to flush again even if nothing happens.
    pub(super) fn next_flush(&self) -> Option<Instant> {
        self.writer.as_ref().filter(|writer| writer.waits).map(|_| Instant::now() + RETRY)
    }

    /// Nothing more comes: writes what is collected, and waits a bounded time for a journal or a disk that is slow.
    pub(super) fn close(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        writer.flush();
        let lost = match &mut writer.sink {
            Sink::Journal(journal) => journal.close(),
            Sink::File { file: Target::Apart(apart), .. } => apart.close(),
            Sink::File { file: Target::Here(_), .. } => 0,
        };
        if lost > 0 {
            writer.note(Err(io::ErrorKind::WouldBlock.into()), lost);
        }
    }

    /// What has gone wrong, or is right again, since this was last asked.
    pub(super) fn news(&mut self) -> Option<Trouble> {
        let writer = self.writer.as_mut()?;
        if !std::mem::take(&mut writer.untold) {
            return None;
        }
        match &writer.trouble {
            Some(trouble) if trouble.over => writer.trouble.take(),
            trouble => trouble.clone(),
        }
    }
}

impl Writer {
    fn output(&mut self, stream: Stream, mut piece: &[u8], now: Stamp) {
        loop {
            let room = LINE_MAX - self.lines[index(stream)].text.len();
            let reach = &piece[..piece.len().min(room)];
            if let Some(at) = reach.iter().position(|byte| *byte == b'\n') {
                self.entry(stream, &piece[..at], true, now);
                piece = &piece[at + 1..];
            } else if piece.len() < room {
                self.lines[index(stream)].text.extend_from_slice(piece);
                return;
            } else {
                self.entry(stream, &piece[..room], false, now);
                piece = &piece[room..];
            }
        }
    }

    /// Takes one entry: what is kept of the line, and `rest`.
    fn entry(&mut self, stream: Stream, rest: &[u8], complete: bool, now: Stamp) {
        self.rotate();
        let line = &mut self.lines[index(stream)];
        let stamp = line.since.unwrap_or(now);
        let parts = [line.text.as_slice(), rest];
        let entry = Entry { parts, complete, ordinal: line.pieces, stream, stamp };
        let sent = match &mut self.sink {
            Sink::File { form, collected, .. } => {
                match form {
                    Form::Json(attributes) => entry::append(collected, &entry, attributes),
                    Form::Local => local::append(collected, &entry),
                }
                None
            }
            Sink::Journal(journal) => Some((journal.send(&entry), entry.length())),
        };
        line.text.clear();
        line.since = (!complete).then_some(stamp);
        line.pieces = if complete { 0 } else { line.pieces + 1 };
        match sent {
            Some((sent, length)) => self.note(sent, length),
            None if self.is_due() => self.flush(),
            None => {}
        }
    }

    fn end(&mut self, stream: Stream, now: Stamp) {
        if !self.lines[index(stream)].text.is_empty() {
            self.entry(stream, b"", false, now);
        }
        self.lines[index(stream)] = Line::default();
    }

    fn is_due(&self) -> bool {
        matches!(&self.sink, Sink::File { collected, due, .. } if collected.len() >= *due)
    }

    fn rotate(&mut self) {
        let full = match &self.sink {
            Sink::File { file, collected, .. } => file.is_full(collected.len()),
            Sink::Journal(_) => false,
        };
        if full {
            self.flush();
            if let Sink::File { file, .. } = &mut self.sink {
                file.rotate();
            }
        }
    }

    /// A full disk must not stop the container: what can not be written is lost, and told.
    fn flush(&mut self) {
        let (file, collected) = match &mut self.sink {
            Sink::File { file, collected, .. } => (file, collected),
            Sink::Journal(journal) => {
                self.waits = journal.catch_up();
                return;
            }
        };
        if collected.is_empty() {
            self.waits = file.catch_up();
            return;
        }
        let (written, length) = (file.append(collected), collected.len());
        collected.clear();
        self.waits = file.catch_up();
        self.note(written, length);
    }

    fn note(&mut self, done: io::Result<()>, length: usize) {
        match (done, &mut self.trouble) {
            (Ok(()), None) => {}
            (Ok(()), Some(trouble)) => {
                self.untold |= !trouble.over;
                trouble.over = true;
            }
            (Err(_), Some(trouble)) if !trouble.over => trouble.lost += length as u64,
            (Err(error), _) => {
                let (error, lost) = (error.to_string(), length as u64);
                self.trouble = Some(Trouble { error, lost, over: false });
                self.untold = true;
            }
        }
    }
}

fn index(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

#[cfg(test)]
mod tests;
