//! DEFLATE, beside another decoder.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| store::pull::fuzzing::inflate(bytes));
