//! Frames of the multiplexed stream (`application/vnd.docker.multiplexed-stream`).
//!
//! A frame is a header of eight bytes, `[stream, 0, 0, 0, length as big-endian u32]`, and `length`
//! bytes of payload.

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 8;
/// Largest payload that a reader accepts, in bytes.
pub const MAX_PAYLOAD_BYTES: u32 = 64 * 1024 * 1024;

/// Which stream a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,
    /// An error of the daemon itself, as text.
    SystemError = 3,
}

/// A header that is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("unrecognized input header: {0}")]
    UnknownStream(u8),
    #[error("frame of {0} bytes is longer than {MAX_PAYLOAD_BYTES}")]
    TooLong(u32),
}

/// The header of a frame with `length` bytes of payload.
pub const fn header(stream: Stream, length: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = length.to_be_bytes();
    [stream as u8, 0, 0, 0, a, b, c, d]
}

/// Stream and payload length of a header.
///
/// # Errors
/// When the stream is unknown or the length beyond [`MAX_PAYLOAD_BYTES`].
pub fn parse_header(header: [u8; HEADER_BYTES]) -> Result<(Stream, u32), FrameError> {
    let [kind, _, _, _, a, b, c, d] = header;
    let stream = match kind {
        0 => Stream::Stdin,
        1 => Stream::Stdout,
        2 => Stream::Stderr,
        3 => Stream::SystemError,
        other => return Err(FrameError::UnknownStream(other)),
    };
    match u32::from_be_bytes([a, b, c, d]) {
        length if length > MAX_PAYLOAD_BYTES => Err(FrameError::TooLong(length)),
        length => Ok((stream, length)),
    }
}

/// Splits a byte stream into pieces of payload without buffering them.
///
/// ```
/// use api_spec::stdcopy::{Demultiplexer, Stream, header};
/// let mut bytes = header(Stream::Stderr, 3).to_vec();
/// bytes.extend(b"err");
/// let mut demultiplexer = Demultiplexer::default();
/// let mut seen = Vec::new();
/// demultiplexer.feed(&bytes, |stream, piece| seen.push((stream, piece.to_vec()))).unwrap();
/// assert_eq!(seen, [(Stream::Stderr, b"err".to_vec())]);
/// ```
#[derive(Debug, Default)]
pub struct Demultiplexer {
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    current: Option<(Stream, u32)>,
}

impl Demultiplexer {
    /// Takes the next bytes, calling `sink` for each piece of payload in them.
    ///
    /// # Errors
    /// On a bad header; the stream can not be followed any further then.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        mut sink: impl FnMut(Stream, &[u8]),
    ) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            let Some((stream, left)) = self.current else {
                bytes = self.feed_header(bytes)?;
                continue;
            };
            let take = bytes.len().min(left as usize);
            let (piece, rest) = bytes.split_at(take);
            sink(stream, piece);
            let left = left - u32::try_from(take).unwrap_or(left);
            self.current = (left > 0).then_some((stream, left));
            bytes = rest;
        }
        Ok(())
    }

    fn feed_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], FrameError> {
        let take = bytes.len().min(HEADER_BYTES - self.header_filled);
        let (piece, rest) = bytes.split_at(take);
        self.header[self.header_filled..][..take].copy_from_slice(piece);
        self.header_filled += take;
        if self.header_filled == HEADER_BYTES {
            self.header_filled = 0;
            let (stream, length) = parse_header(self.header)?;
            self.current = (length > 0).then_some((stream, length));
        }
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bad_headers_are_refused() {
        assert_eq!(parse_header([9, 0, 0, 0, 0, 0, 0, 0]), Err(FrameError::UnknownStream(9)));
        let long = MAX_PAYLOAD_BYTES + 1;
        assert_eq!(parse_header(header(Stream::Stdout, long)), Err(FrameError::TooLong(long)));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_payload(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            step in 1_usize..20,
        ) {
            let mut bytes = Vec::new();
            for payload in &payloads {
                bytes.extend(header(Stream::Stdout, u32::try_from(payload.len()).unwrap()));
                bytes.extend(payload);
            }
            let mut seen: Vec<u8> = Vec::new();
            let mut demultiplexer = Demultiplexer::default();
            for chunk in bytes.chunks(step) {
                demultiplexer.feed(chunk, |_, piece| seen.extend(piece)).unwrap();
            }
            prop_assert_eq!(seen, payloads.concat());
        }
    }
}
