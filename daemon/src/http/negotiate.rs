//! API versions: the prefix of a path, what is refused, and the headers that every answer carries.

use api_spec::version::{self, ApiVersion};
use axum::http::header::{HeaderMap, HeaderName, HeaderValue, SERVER};

use crate::http::error::Error;

/// A path split into its version (if one is written) and the rest.
pub(crate) fn split(path: &str) -> (Option<&str>, &str) {
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let (version, _) = rest.split_once('/')?;
        let is_version = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        let valid = !version.is_empty() && version.bytes().all(is_version);
        valid.then(|| (Some(version), &rest[version.len()..]))
    });
    versioned.unwrap_or((None, path))
}

/// The version that a request speaks: the newest when it names none.
///
/// # Errors
/// 400 in dockerd's words when it is too old or too new.
pub(crate) fn negotiate(written: Option<&str>) -> Result<ApiVersion, Error> {
    let Some(written) = written else {
        return Ok(version::MAX);
    };
    let asked = ApiVersion::parse_lenient(written);
    if asked < version::MIN {
        return Err(Error::bad_request(format!(
            "client version {written} is too old. Minimum supported API version is {}, please \
             upgrade your client to a newer version",
            version::MIN
        )));
    }
    if asked > version::MAX {
        return Err(Error::bad_request(format!(
            "client version {written} is too new. Maximum supported API version is {}",
            version::MAX
        )));
    }
    Ok(asked)
}

/// Adds the headers that say who answers; `supported`: the request's version is one of ours.
pub(crate) fn mark(headers: &mut HeaderMap, supported: bool) {
    const SERVER_NAME: &str = concat!("Jocker/", env!("CARGO_PKG_VERSION"), " (linux)");
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    };
    set("api-version", "1.52");
    set("ostype", "linux");
    if supported {
        set("docker-experimental", "false");
    }
    headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_digits_and_dots() {
        assert_eq!(split("/v1.45/info"), (Some("1.45"), "/info"));
        assert_eq!(split("/info"), (None, "/info"));
        assert_eq!(split("/version"), (None, "/version"));
        assert_eq!(split("/v1.45"), (None, "/v1.45"));
        assert_eq!(split("/v/info"), (None, "/v/info"));
        assert_eq!(split("/v1.45//info"), (Some("1.45"), "//info"));
    }

    #[test]
    fn the_header_names_the_newest_version() {
        let mut headers = HeaderMap::new();
        mark(&mut headers, true);
        assert_eq!(headers["api-version"], version::MAX.to_string());
    }

    #[test]
    fn versions_out_of_range_are_refused() {
        assert_eq!(negotiate(None), Ok(version::MAX));
        assert_eq!(negotiate(Some("1.24")), Ok(version::MIN));
        assert_eq!(
            negotiate(Some("1.99")).unwrap_err().message,
            "client version 1.99 is too new. Maximum supported API version is 1.52"
        );
        assert_eq!(
            negotiate(Some("1.11")).unwrap_err().message,
            "client version 1.11 is too old. Minimum supported API version is 1.24, please \
             upgrade your client to a newer version"
        );
    }
}
