//! Paths that are not in their shortest form: dockerd answers with where the page is.

use crate::http::extract::decode;

/// Where a path with empty, `.` or `..` segments really leads; `None` when it is clean.
pub(crate) fn location(path: &str, query: &str) -> Option<String> {
    if !["//", "/.", "%"].iter().any(|part| path.contains(part)) {
        return None;
    }
    let decoded = decode(path, false).ok()?;
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let end = if decoded.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    let clean = format!("/{}{end}", segments.join("/"));
    if clean == decoded || !decoded.starts_with('/') {
        return None;
    }
    let encoded = encode(&clean);
    Some(if query.is_empty() { encoded } else { format!("{encoded}?{query}") })
}

/// Percent-encodes what a path may not hold as it is (RFC 3986, section 3.3).
fn encode(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
    path.bytes().fold(String::new(), |mut text, byte| {
        match plain(byte) {
            true => text.push(char::from(byte)),
            false => text += &format!("%{byte:02X}"),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unclean_paths_lead_elsewhere() {
        let clean = |path, location: &str| {
            assert_eq!(super::location(path, ""), Some(location.to_owned()), "{path}");
        };
        clean("/a//b", "/a/b");
        clean("/a/%2Fb", "/a/b");
        clean("//", "/");
        clean("/a/../b/./c", "/b/c");
        clean("/a//b%20c/", "/a/b%20c/");
        for path in ["/a/b", "/", "/a/", "/a%2Fb", "*"] {
            assert_eq!(location(path, ""), None, "{path}");
        }
        assert_eq!(location("//a", "x=1"), Some("/a?x=1".to_owned()));
    }
}
