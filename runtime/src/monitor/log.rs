//! The container's log in Docker's json-file form.
//!
//! One line of JSON an entry: `{"log":"text\n","stream":"stdout","time":"…"}`. A line of output
//! longer than [`LINE_MAX`] becomes several entries, of which only the last ends with a line feed;
//! all of them carry the time of the first. What follows the last line feed when the output ends is
//! an entry without one.
//!
//! Entries are collected and written at once before the monitor waits.

mod entry;
mod file;

use std::io;

use self::entry::Clock;
use self::file::File;
use super::output::Stream;
use crate::launch::LogConfig;

/// Longest piece of a line that becomes one entry, in bytes; Docker's own.
const LINE_MAX: usize = 16 * 1024;

/// The log is written when this many bytes are collected, without waiting for a pause.
const COLLECTED_MAX: usize = 32 * 1024;

/// The log of one container, or nowhere.
#[derive(Debug, Default)]
pub(super) struct Log {
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    file: File,
    clock: Clock,
    lines: [Line; 2],
    /// Entries that are not written yet.
    collected: Vec<u8>,
}

/// The line that a stream is in.
#[derive(Debug, Default)]
struct Line {
    /// What has come of it since the last entry.
    text: Vec<u8>,
    /// When its first piece became an entry.
    since: Option<String>,
}

impl Log {
    /// Opens the log file; entries are appended.
    pub(super) fn open(config: LogConfig) -> io::Result<Self> {
        match config {
            LogConfig::None => Ok(Self::default()),
            LogConfig::JsonFile { path, max_size, max_file } => {
                let file = File::open(path, max_size, max_file)?;
                let (clock, lines) = (Clock::default(), Default::default());
                Ok(Self { writer: Some(Writer { file, clock, lines, collected: Vec::new() }) })
            }
        }
    }

    /// Takes a piece of output.
    pub(super) fn output(&mut self, stream: Stream, piece: &[u8]) {
        if let Some(writer) = &mut self.writer {
            writer.output(stream, piece);
        }
    }

    /// The stream has ended.
    pub(super) fn end(&mut self, stream: Stream) {
        if let Some(writer) = &mut self.writer {
            writer.end(stream);
        }
    }

    /// Writes what is collected.
    pub(super) fn flush(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.flush();
        }
    }
}

impl Writer {
    fn output(&mut self, stream: Stream, mut piece: &[u8]) {
        while let Some(at) = piece.iter().take(self.room(stream)).position(|byte| *byte == b'\n') {
            self.entry(stream, &piece[..at], true);
            piece = &piece[at + 1..];
        }
        // No line feed in what the current entry has room for.
        let room = self.room(stream);
        if piece.len() < room {
            self.lines[index(stream)].text.extend_from_slice(piece);
        } else {
            self.entry(stream, &piece[..room], false);
            self.output(stream, &piece[room..]);
        }
    }

    /// How many more bytes the stream's entry takes.
    fn room(&self, stream: Stream) -> usize {
        LINE_MAX - self.lines[index(stream)].text.len()
    }

    /// Collects one entry: what is kept of the line, and `rest`.
    fn entry(&mut self, stream: Stream, rest: &[u8], complete: bool) {
        self.rotate();
        let line = &mut self.lines[index(stream)];
        let time = line.since.take().unwrap_or_else(|| self.clock.now());
        entry::append(&mut self.collected, [&line.text, rest], complete, stream.name(), &time);
        line.text.clear();
        if !complete {
            line.since = Some(time);
        }
        if self.collected.len() >= COLLECTED_MAX {
            self.flush();
        }
    }

    fn end(&mut self, stream: Stream) {
        if !self.lines[index(stream)].text.is_empty() {
            self.entry(stream, b"", false);
        }
        self.lines[index(stream)] = Line::default();
    }

    fn rotate(&mut self) {
        if self.file.is_full(self.collected.len()) {
            self.flush();
            self.file.rotate();
        }
    }

    /// A full disk must not stop the container: what can not be written is lost.
    fn flush(&mut self) {
        if !self.collected.is_empty() {
            self.file.append(&self.collected);
            self.collected.clear();
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
