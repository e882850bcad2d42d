//! `WWW-Authenticate` headers, RFC 9110 section 11.6.1: text in, challenges out.

use reqwest::Response;
use reqwest::header::WWW_AUTHENTICATE;

/// Longest header that is looked at, in bytes.
const HEADER_LIMIT: usize = 16 * 1024;

/// One scheme with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// In lower case: `bearer`, `basic`.
    pub(crate) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter; names are compared in lower case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The challenges of all `WWW-Authenticate` headers of an answer.
pub(crate) fn of(response: &Response) -> Vec<Challenge> {
    let headers = response.headers().get_all(WWW_AUTHENTICATE);
    headers.iter().filter_map(|value| value.to_str().ok()).flat_map(parse).collect()
}

/// Reads all challenges of one header; what is malformed ends the reading.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    if header.len() > HEADER_LIMIT {
        return challenges;
    }
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = token(rest);
        if word.is_empty() {
            return challenges;
        }
        let Some(value) = after.trim_start_matches([' ', '\t']).strip_prefix('=') else {
            let scheme = word.to_ascii_lowercase();
            challenges.push(Challenge { scheme, parameters: Vec::new() });
            rest = after;
            continue;
        };
        let value = value_of(value.trim_start_matches([' ', '\t']));
        let (Some((value, after)), Some(challenge)) = (value, challenges.last_mut()) else {
            return challenges;
        };
        challenge.parameters.push((word.to_ascii_lowercase(), value));
        rest = after;
    }
}

/// A token of RFC 9110 section 5.6.2 and what follows it.
fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// A token or a quoted string and what follows it.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn several_challenges_in_one_header() {
        let header = r#"Bearer realm="https://auth.x/token",service="re\"g", scope="repository:a/b:pull,push" , Basic realm=plain,Negotiate"#;
        let challenges = parse(header);
        assert_eq!(challenges.len(), 3);
        assert_eq!(challenges[0].scheme, "bearer");
        assert_eq!(challenges[0].parameter("realm"), Some("https://auth.x/token"));
        assert_eq!(challenges[0].parameter("service"), Some("re\"g"));
        assert_eq!(challenges[0].parameter("scope"), Some("repository:a/b:pull,push"));
        assert_eq!(challenges[1].parameter("realm"), Some("plain"));
        assert_eq!(challenges[2].scheme, "negotiate");
    }

    #[test]
    fn malformed_headers_end_the_reading() {
        assert!(parse("").is_empty());
        assert!(parse("realm=\"x\"").is_empty());
        assert!(parse("\"").is_empty());
        assert_eq!(parse("Bearer realm=\"x").len(), 1);
    }

    proptest! {
        #[test]
        fn no_header_panics(header in "\\PC{0,200}") {
            parse(&header);
        }

        #[test]
        fn no_near_miss_panics(header in "[a-z=\", \\\\]{0,60}") {
            parse(&header);
        }
    }
}
