use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compress, Compression, FlushCompress};

use super::*;

/// Deterministic bytes: text, runs, noise and far repetitions.
fn sample(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(length + 1000);
    while bytes.len() < length {
        let count = (next() % 300) as usize;
        match next() % 5 {
            0 => (0..count).for_each(|_| bytes.push(next() as u8)),
            1 => bytes.resize(bytes.len() + count * 3, next() as u8),
            2 => bytes.extend(format!("line {} of a text\n", next() % 100).repeat(5).bytes()),
            _ if bytes.len() > 1 => {
                let back = (next() as usize % bytes.len().min(40_000)).max(1);
                let from = bytes.len() - back;
                (0..count).for_each(|at| bytes.push(bytes[from + at]));
            }
            _ => bytes.push(0),
        }
    }
    bytes.truncate(length);
    bytes
}

fn packed(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).expect("write");
    encoder.finish().expect("finish")
}

/// Inflates pieces of so many bytes; what was made, and what of the input is left.
fn inflated(packed: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
    let (mut inflater, mut made, mut rest) = (Inflater::new(), Vec::new(), packed);
    while !inflater.is_ended() {
        let taken = inflater.inflate(&rest[..piece.min(rest.len())])?;
        rest = &rest[taken..];
        let now = inflater.made();
        if now.is_empty() && taken == 0 && !inflater.is_ended() {
            assert!(rest.is_empty(), "stands still with {} bytes of input", rest.len());
            return Err(Malformed("early end"));
        }
        made.extend_from_slice(now);
        inflater.take(now.len());
    }
    let mut left = Vec::new();
    while let Some(byte) = inflater.give_back() {
        left.push(byte);
    }
    left.extend_from_slice(rest);
    Ok((made, left))
}

#[test]
fn what_others_deflate_comes_back_whatever_the_pieces() {
    for (seed, length) in [(1, 0), (2, 1), (3, 300), (4, 70_000), (5, 1 << 20)] {
        let bytes = sample(seed, length);
        for level in [0, 1, 2, 6, 9] {
            let mut stream = packed(&bytes, level);
            stream.extend_from_slice(b"trailer!");
            for piece in [1, 7, 16, 17, 1000, usize::MAX] {
                if piece < 16 && length > 70_000 {
                    continue;
                }
                let (made, left) = inflated(&stream, piece).expect("inflated");
                assert!(made == bytes, "{seed} level {level} in pieces of {piece}");
                assert_eq!(left, b"trailer!");
            }
        }
    }
}

#[test]
fn flushed_blocks_and_fixed_codes_too() {
    let bytes = sample(7, 50_000);
    let mut compress = Compress::new(Compression::new(6), false);
    let mut stream = Vec::with_capacity(200_000);
    for piece in bytes.chunks(37) {
        compress.compress_vec(piece, &mut stream, FlushCompress::Full).expect("compress");
    }
    compress.compress_vec(&[], &mut stream, FlushCompress::Finish).expect("compress");
    for piece in [3, usize::MAX] {
        assert!(inflated(&stream, piece).expect("inflated").0 == bytes);
    }
}

#[test]
fn an_early_end_is_no_end() {
    let bytes = sample(11, 3000);
    let stream = packed(&bytes, 6);
    for end in 0..stream.len() {
        assert_eq!(inflated(&stream[..end], usize::MAX), Err(Malformed("early end")), "{end}");
    }
}

/// What the crate that the rest of the house uses says of a stream.
fn by_another(stream: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut made = Vec::with_capacity(room);
    let mut other = flate2::Decompress::new(false);
    let status = other.decompress_vec(stream, &mut made, flate2::FlushDecompress::Finish);
    matches!(status, Ok(flate2::Status::StreamEnd)).then_some(made)
}

#[test]
fn damaged_streams_are_judged_as_by_others() {
    let bytes = sample(13, 2000);
    let (mut good, mut bad) = (0, 0);
    for level in [1, 6] {
        let whole = packed(&bytes, level);
        for at in 0..whole.len() * 8 {
            let mut stream = whole.clone();
            stream[at / 8] ^= 1 << (at % 8);
            // What goes on for long is all the same.
            let expected = by_another(&stream, 1 << 20);
            let made = inflated(&stream, usize::MAX).ok().map(|(made, _)| made);
            assert!(made == expected, "bit {at} of level {level}");
            if made.is_some() { good += 1 } else { bad += 1 }
        }
    }
    assert!(good > 100 && bad > 100, "{good} {bad}");
}

#[test]
fn what_no_encoder_writes_is_refused() {
    for (stream, what) in [
        (&[0x07][..], "block type"),
        (&[0x01, 1, 0, 0, 0], "stored block's length"),
        // Fixed codes: a match before there is anything.
        (&[0x03, 0x02, 0x00], "distance too far back"),
        (&[0xfd, 0xff, 0xff, 0xff], "too many codes"),
    ] {
        assert_eq!(inflated(stream, usize::MAX), Err(Malformed(what)), "{stream:x?}");
    }
}
