//! gzip of any number of members, its lengths verified and its checksums not: a layer's bytes are
//! verified by their diff id, and reckoning a CRC of them as well costs a sixth of the inflating.
//!
//! Source: RFC 1952.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::{Decompress, FlushDecompress, Status};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0b1110_0000;
/// Bytes of a name or a comment at most.
const TEXT_LIMIT: u64 = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    First,
    Body,
    Next,
    Ended,
}

/// The inflated bytes of all members.
#[derive(Debug)]
pub(super) struct Members<R> {
    source: R,
    inflater: Decompress,
    state: State,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, inflater: Decompress::new(false), state: State::First }
    }

    /// Inflates what is there; 0 at a member's end, and where more input is needed.
    fn inflate(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = self.source.fill_buf()?;
        let is_last = input.is_empty();
        let (taken, made) = (self.inflater.total_in(), self.inflater.total_out());
        let status = self.inflater.decompress(input, buffer, FlushDecompress::None);
        let taken = self.inflater.total_in() - taken;
        let made = self.inflater.total_out() - made;
        self.source.consume(usize::try_from(taken).unwrap_or(usize::MAX));
        match status.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))? {
            Status::StreamEnd => self.trailer()?,
            Status::Ok | Status::BufError if is_last && made == 0 => {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            Status::Ok | Status::BufError => {}
        }
        Ok(usize::try_from(made).unwrap_or(usize::MAX))
    }

    fn header(&mut self) -> io::Result<()> {
        let mut fixed = [0; 10];
        self.source.read_exact(&mut fixed)?;
        let [first, second, method, flags, ..] = fixed;
        if [first, second] != MAGIC || method != DEFLATE || flags & FLAGS_RESERVED != 0 {
            return Err(invalid("malformed gzip header"));
        }
        if flags & FLAG_EXTRA != 0 {
            let mut length = [0; 2];
            self.source.read_exact(&mut length)?;
            let length = u64::from(u16::from_le_bytes(length));
            if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? < length {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        for flag in [FLAG_NAME, FLAG_COMMENT] {
            if flags & flag != 0 {
                self.skip_text()?;
            }
        }
        if flags & FLAG_HEADER_CRC != 0 {
            self.source.read_exact(&mut [0; 2])?;
        }
        Ok(())
    }

    fn skip_text(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        self.source.by_ref().take(TEXT_LIMIT).read_until(0, &mut text)?;
        match text.last() {
            Some(0) => Ok(()),
            _ => Err(invalid("gzip header's text has no end")),
        }
    }

    fn trailer(&mut self) -> io::Result<()> {
        let mut trailer = [0; 8];
        self.source.read_exact(&mut trailer)?;
        let [.., a, b, c, d] = trailer;
        // The length is told modulo 2^32.
        if u64::from(u32::from_le_bytes([a, b, c, d])) != self.inflater.total_out() & 0xffff_ffff {
            return Err(invalid("gzip member is not as long as it says"));
        }
        self.inflater.reset(false);
        self.state = State::Next;
        Ok(())
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::Ended => return Ok(0),
                State::Next if self.source.fill_buf()?.is_empty() => self.state = State::Ended,
                State::First | State::Next => {
                    self.header()?;
                    self.state = State::Body;
                }
                State::Body => match self.inflate(buffer)? {
                    0 => {}
                    count => return Ok(count),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write as _};

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn member(bytes: &[u8]) -> Vec<u8> {
        let builder = GzBuilder::new().filename("layer.tar").comment("a text").extra([7; 300]);
        let mut encoder = builder.write(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("write");
        encoder.finish().expect("finish")
    }

    fn inflated(bytes: &[u8], at_once: usize) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        let source = BufReader::with_capacity(at_once, bytes);
        Members::new(source).read_to_end(&mut plain).map(|_| plain)
    }

    #[test]
    fn members_follow_each_other_whatever_the_pieces() {
        let plain: Vec<u8> = (0..70_000_u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
        let packed = [member(&plain), member(b""), member(b"end")].concat();
        for at_once in [1, 3, 4096, 1 << 20] {
            let whole = inflated(&packed, at_once).expect("inflated");
            assert_eq!(whole, [plain.as_slice(), b"end"].concat(), "{at_once}");
        }
    }

    #[test]
    fn what_ends_early_or_goes_on_wrongly_is_an_error() {
        let packed = member(&[7; 10_000]);
        for end in 0..packed.len() {
            assert!(inflated(&packed[..end], 512).is_err(), "cut at {end}");
        }
        let mut longer = packed.clone();
        longer.extend_from_slice(b"garbage and more");
        assert_eq!(inflated(&longer, 512).expect_err("garbage").kind(), ErrorKind::InvalidData);
        let mut lying = packed.clone();
        let at = lying.len() - 1;
        lying[at] ^= 1;
        assert_eq!(inflated(&lying, 512).expect_err("length").kind(), ErrorKind::InvalidData);
        let mut reserved = packed;
        reserved[3] |= 0x80;
        assert!(inflated(&reserved, 512).is_err());
    }
}
