//! Challenges of registries for a fuzzer.

use reqwest::Url;

use super::challenge;
use super::token::TokenService;

/// Reads a `WWW-Authenticate` header and makes of its challenges what a pull would.
///
/// # Panics
/// When a challenge has a scheme that is no word in lower case.
pub fn read_challenges(header: &str, registry: &Url) {
    for challenge in challenge::parse(header) {
        let scheme = &challenge.scheme;
        assert!(!scheme.is_empty() && !scheme.contains(|c: char| c.is_ascii_uppercase()));
        TokenService::from_challenge(registry, &challenge).ok();
    }
}
