//! Entries sent to systemd's journal, in its native protocol: one datagram an entry, `NAME=value`
//! lines, or for values with line feeds the name, a line feed, the length (64 bits, little-endian)
//! and the bytes. systemd: "Native Journal Protocol".

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::backlog::Backlog;
use super::entry::Entry;
use crate::monitor::output::Stream;

const SOCKET: &str = "/run/systemd/journal/socket";
/// How long one entry may wait for the journal. After that nothing waits until the journal takes
/// entries again: it may slow the container down once, not for ever.
const WAIT_LIMIT: Duration = Duration::from_secs(2);
/// Priorities of syslog(3): informational, and error.
const PRIORITIES: [&str; 2] = ["6", "3"];

/// The connection to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    /// What every entry has.
    fields: Vec<u8>,
    entries: u64,
    waits: bool,
    /// Instead of waiting.
    buffer: Option<Backlog>,
    datagram: Vec<u8>,
}

impl Journal {
    /// `buffer`: bytes of entries that are kept instead of waiting.
    pub(super) fn open(fields: &[(String, String)], buffer: Option<usize>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(WAIT_LIMIT))?;
        socket.set_nonblocking(buffer.is_some())?;
        let mut text = Vec::new();
        fields.iter().for_each(|(name, value)| field(&mut text, name, &[value.as_bytes()]));
        let (entries, waits, datagram) = (0, buffer.is_none(), Vec::new());
        let buffer = buffer.map(|max| Backlog::new(max, "journal"));
        Ok(Self { socket, fields: text, entries, waits, buffer, datagram })
    }

    /// Sends one entry. The journal is found by its path each time: it may be started again.
    pub(super) fn send(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        self.entries += 1;
        let mut out = std::mem::take(&mut self.datagram);
        out.clear();
        out.extend_from_slice(&self.fields);
        field(&mut out, "MESSAGE", &entry.parts);
        let priority = PRIORITIES[usize::from(entry.stream == Stream::Stderr)];
        field(&mut out, "PRIORITY", &[priority.as_bytes()]);
        field(&mut out, "SYSLOG_TIMESTAMP", &[entry.stamp.text()]);
        field(&mut out, "CONTAINER_LOG_ORDINAL", &[self.entries.to_string().as_bytes()]);
        if entry.is_partial() {
            let ordinal = (entry.ordinal + 1).to_string();
            let last = if entry.complete { "true" } else { "false" };
            // Docker's word for a line that goes on in the next entry.
            if !entry.complete {
                field(&mut out, "CONTAINER_PARTIAL_MESSAGE", &[b"true"]);
            }
            field(&mut out, "CONTAINER_PARTIAL_ID", &[entry.line_id().as_bytes()]);
            field(&mut out, "CONTAINER_PARTIAL_ORDINAL", &[ordinal.as_bytes()]);
            field(&mut out, "CONTAINER_PARTIAL_LAST", &[last.as_bytes()]);
        }
        let sent = self.pass_on(&out);
        self.datagram = out;
        sent
    }

    fn pass_on(&mut self, out: &[u8]) -> io::Result<()> {
        let Some(buffer) = &mut self.buffer else {
            let sent = self.socket.send_to(out, SOCKET);
            self.set_waits(sent.is_ok())?;
            return sent.map(drop);
        };
        buffer.empty_into(|entry| self.socket.send_to(entry, SOCKET).is_ok());
        if buffer.is_empty() {
            match self.socket.send_to(out, SOCKET) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return sent.map(drop),
            }
        }
        buffer.push(out)
    }

    /// Sends what waits, as far as the journal takes it. Whether something still waits.
    pub(super) fn catch_up(&mut self) -> bool {
        let Some(buffer) = &mut self.buffer else { return false };
        buffer.empty_into(|entry| self.socket.send_to(entry, SOCKET).is_ok());
        !buffer.is_empty()
    }

    /// The last chance for what waits: here the journal is waited for, each entry at most the usual time. Bytes that
    /// it did not take.
    pub(super) fn close(&mut self) -> usize {
        let Some(buffer) = &mut self.buffer else { return 0 };
        if !buffer.is_empty() && self.socket.set_nonblocking(false).is_ok() {
            buffer.empty_into(|entry| self.socket.send_to(entry, SOCKET).is_ok());
        }
        buffer.bytes()
    }

    fn set_waits(&mut self, waits: bool) -> io::Result<()> {
        if self.waits != waits {
            self.socket.set_nonblocking(!waits)?;
            self.waits = waits;
        }
        Ok(())
    }
}

fn field(out: &mut Vec<u8>, name: &str, parts: &[&[u8]]) {
    out.extend_from_slice(name.as_bytes());
    if parts.iter().any(|part| part.contains(&b'\n')) {
        let length: u64 = parts.iter().map(|part| part.len() as u64).sum();
        out.push(b'\n');
        out.extend_from_slice(&length.to_le_bytes());
    } else {
        out.push(b'=');
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_line_feeds_have_a_length() {
        let mut out = Vec::new();
        field(&mut out, "A", &[b"x", b"y"]);
        field(&mut out, "B", &[b"1\n2"]);
        assert_eq!(out, b"A=xy\nB\n\x03\0\0\0\0\0\0\x001\n2\n");
    }
}
