//! Names of images: what is read is read alike from each way of writing it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store::Reference;

fuzz_target!(|text: &str| {
    let Ok(reference) = Reference::parse_normalized(text) else { return };
    let canonical = Reference::parse_normalized(&reference.canonical());
    assert_eq!(canonical.as_ref(), Ok(&reference), "{text:?}");
    let familiar = Reference::parse_normalized(&reference.familiar());
    assert_eq!(familiar.as_ref(), Ok(&reference), "{text:?}");
});
