//! `WWW-Authenticate` headers.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use reqwest::Url;

static REGISTRY: LazyLock<Url> =
    LazyLock::new(|| Url::parse("https://registry.example/v2/").expect("url"));

fuzz_target!(|header: &str| store::registry::fuzzing::read_challenges(header, &REGISTRY));
