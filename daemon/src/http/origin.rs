//! Web pages must not drive the daemon through somebody's browser: what a browser adds to the
//! requests of a page, and names that a page may have made up for this machine, are refused on TCP.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};

use crate::http::error::Error;

/// Sent by browsers with every request (Fetch Metadata Request Headers, section 2).
const FETCH_SITE: &str = "sec-fetch-site";

/// Refuses what only a browser sends, and a `Host` that is neither an address nor a name of this
/// machine (`own`): a page can have its own name resolved to any address, not to another name.
pub(crate) fn check(headers: &HeaderMap, own: &str) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::new(StatusCode::FORBIDDEN, why));
    for name in [ORIGIN.as_str(), FETCH_SITE] {
        if let Some(value) = headers.get(name) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            return refuse(format!("requests of web pages are refused ({name}: {value})"));
        }
    }
    let host = headers.get(HOST).map(|value| String::from_utf8_lossy(value.as_bytes()));
    match host {
        Some(host) if !is_own(&host, own) => refuse(format!("this is not the host {host:?}")),
        _ => Ok(()),
    }
}

fn is_own(host: &str, own: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let short = own.split('.').next().unwrap_or_default();
    name.parse::<IpAddr>().is_ok()
        || ["", "localhost", "docker", own, short].iter().any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pairs: &[(&'static str, &'static str)]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        check(&headers, "box.example.org").err().map(|error| error.status.as_u16())
    }

    #[test]
    fn pages_are_refused_and_clients_are_not() {
        assert_eq!(status(&[]), None);
        for host in
            ["127.0.0.1:2376", "[::1]:2376", "localhost", "box", "box.example.org:1", "docker"]
        {
            assert_eq!(status(&[("host", host)]), None, "{host}");
        }
        assert_eq!(status(&[("host", "evil.example:2375")]), Some(403));
        assert_eq!(status(&[("origin", "http://localhost:2375")]), Some(403));
        assert_eq!(status(&[("host", "localhost"), ("sec-fetch-site", "none")]), Some(403));
    }
}
