//! A layer's archive: as it comes, and with every block's checksum made right, since a fuzzer does
//! not guess one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store::layer::fuzzing::walk;

const BLOCK: usize = 512;
/// Where a header has its checksum.
const CHECKSUM: std::ops::Range<usize> = 148..156;

fuzz_target!(|bytes: &[u8]| {
    walk(bytes).ok();
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(BLOCK).filter(|block| block.iter().any(|byte| *byte != 0)) {
        block[CHECKSUM].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    walk(&bytes).ok();
});
