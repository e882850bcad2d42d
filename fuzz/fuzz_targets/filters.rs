//! The `filters` parameter: what is read is written so that it is read alike.

#![no_main]

use api_spec::filters::Filters;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(filters) = Filters::parse(text) else { return };
    assert_eq!(Filters::parse(&filters.to_json()).as_ref(), Ok(&filters), "{text:?}");
    for key in ["label", "dangling"] {
        filters.boolean(key).ok();
        filters.matches_prefix(key, text);
        filters.patterns(key).fit(&[text]);
        filters.matches_labels(key, |_| None);
    }
});
