//! Multiplexed streams: the first byte says how they are cut, which must not matter.

#![no_main]

use api_spec::stdcopy::{Demultiplexer, FrameError, Stream};
use libfuzzer_sys::fuzz_target;

fn read(bytes: &[u8], step: usize) -> (Vec<(Stream, u8)>, Result<(), FrameError>) {
    let mut demultiplexer = Demultiplexer::default();
    let mut seen = Vec::new();
    let result = bytes.chunks(step).try_for_each(|chunk| {
        demultiplexer.feed(chunk, |stream, piece| {
            seen.extend(piece.iter().map(|byte| (stream, *byte)));
        })
    });
    (seen, result)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (step, bytes) = input;
    assert_eq!(read(bytes, usize::from(step) + 1), read(bytes, usize::MAX));
});
