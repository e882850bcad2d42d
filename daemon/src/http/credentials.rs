//! The header `X-Registry-Auth`: base64url of a JSON object. As dockerd, a header that is no such
//! thing counts as none, because a pull may do without.

use api_spec::auth::AuthConfig;
use axum::http::HeaderMap;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use store::registry::Credentials;

const HEADER: &str = "x-registry-auth";
/// Longest header that is read, in bytes.
const MAX_HEADER_BYTES: usize = 64 * 1024;

const TOLERANT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// The credentials that a request brings for the registry.
pub(crate) fn of_request(headers: &HeaderMap) -> Option<Credentials> {
    let text = headers.get(HEADER)?.as_bytes().trim_ascii();
    if text.is_empty() || text.len() > MAX_HEADER_BYTES {
        return None;
    }
    let json = decode(text)?;
    let config: AuthConfig = serde_json::from_slice(&json).ok()?;
    (!config.is_anonymous()).then(|| from(config))
}

/// Credentials out of the API's form; the older `auth` stands for name and password.
pub(crate) fn from(config: AuthConfig) -> Credentials {
    let pair = decode(config.auth.as_bytes()).and_then(|pair| String::from_utf8(pair).ok());
    let pair = pair.as_deref().and_then(|pair| pair.split_once(':'));
    let (username, password) = match pair {
        Some((name, password)) if config.username.is_empty() => {
            (name.to_owned(), password.to_owned())
        }
        _ => (config.username, config.password),
    };
    let some = |text: String| (!text.is_empty()).then_some(text);
    Credentials {
        username,
        password,
        identity_token: some(config.identitytoken),
        registry_token: some(config.registrytoken),
    }
}

/// Both alphabets, with and without padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let engines = [&alphabet::URL_SAFE, &alphabet::STANDARD];
    engines.iter().find_map(|alphabet| GeneralPurpose::new(alphabet, TOLERANT).decode(text).ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

    use super::*;

    fn read(value: &str) -> Option<Credentials> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(value).unwrap());
        of_request(&headers)
    }

    #[test]
    fn every_spelling_is_read() {
        let json = r#"{"username":"u","password":"p?>~"}"#;
        for text in [
            BASE64_STANDARD.encode(json),
            BASE64_URL_SAFE.encode(json),
            BASE64_URL_SAFE.encode(json).trim_end_matches('=').to_owned(),
        ] {
            let credentials = read(&text).unwrap();
            assert_eq!(
                (credentials.username.as_str(), credentials.password.as_str()),
                ("u", "p?>~")
            );
        }
        let pair = format!(r#"{{"auth":"{}"}}"#, BASE64_STANDARD.encode("n:a:b"));
        let credentials = read(&BASE64_STANDARD.encode(pair)).unwrap();
        assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("n", "a:b"));
    }

    #[test]
    fn anything_else_is_no_credentials() {
        for text in ["!!", "e30=", "", "bm90IGpzb24="] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
