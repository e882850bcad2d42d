//! The body of an answer: counted, chunked, or until the end of the connection.

use std::io::{BufRead, BufReader, Error, Read, Result};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A body that is decoded as it is read.
#[derive(Debug)]
pub struct Body {
    reader: BufReader<UnixStream>,
    left: Left,
}

#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// Bytes still to come.
    Counted(u64),
    /// Bytes left of the present chunk; the next chunk's head follows at zero.
    Chunk(u64),
    /// All until the connection ends.
    UntilEnd,
    Nothing,
}

impl Body {
    pub(super) fn new(
        reader: BufReader<UnixStream>,
        status: u16,
        headers: &[(String, String)],
        empty: bool,
    ) -> Self {
        let field = |wanted: &str| headers.iter().find(|(name, _)| name == wanted);
        let counted = field("content-length").and_then(|(_, value)| value.parse().ok());
        let left = if empty {
            Left::Nothing
        } else if status == 101 {
            Left::UntilEnd
        } else if field("transfer-encoding").is_some_and(|(_, value)| value == "chunked") {
            Left::Chunk(0)
        } else {
            counted.map_or(Left::UntilEnd, Left::Counted)
        };
        Self { reader, left }
    }

    /// One line without its end; `None` at the end of the body.
    pub fn line(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.read(&mut byte)? == 1 {
            if byte[0] == b'\n' {
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            line.push(byte[0]);
        }
        Ok((!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned()))
    }

    /// Gives reads another end than the usual one.
    pub fn set_patience(&mut self, limit: Duration) {
        self.reader.get_ref().set_read_timeout(Some(limit)).expect("timeout is set");
    }

    pub(super) fn into_parts(self) -> (UnixStream, Vec<u8>) {
        let early = self.reader.buffer().to_vec();
        (self.reader.into_inner(), early)
    }

    fn next_chunk(&mut self) -> Result<u64> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        if line == "\r\n" {
            line.clear();
            self.reader.read_line(&mut line)?;
        }
        u64::from_str_radix(line.trim(), 16)
            .map_err(|_| Error::other(format!("a chunk begins with {line:?}")))
    }
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.left == Left::Chunk(0) {
            self.left = match self.next_chunk()? {
                0 => Left::Nothing,
                size => Left::Chunk(size),
            };
        }
        let limit = match self.left {
            Left::Nothing => 0,
            Left::UntilEnd => into.len(),
            Left::Counted(left) | Left::Chunk(left) => {
                into.len().min(usize::try_from(left).unwrap_or(usize::MAX))
            }
        };
        if limit == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut into[..limit])?;
        if let Left::Counted(left) | Left::Chunk(left) = &mut self.left {
            if count == 0 {
                return Err(Error::other("the connection ended inside the body"));
            }
            *left -= count as u64;
        }
        Ok(count)
    }
}
