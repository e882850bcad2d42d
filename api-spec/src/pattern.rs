//! Regular expressions in the values of filters. Docker reads them as Go does (RE2); whether one is found takes time
//! linear in the text, whatever the expression is.

use regex_lite::{Regex, RegexBuilder};

/// Longest expression, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;
/// Largest compiled expression, in bytes.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// An expression that is understood.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads an expression; `None` for what is none, or is too long.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_PATTERN_BYTES {
            return None;
        }
        RegexBuilder::new(text).size_limit(MAX_COMPILED_BYTES).build().ok().map(Self)
    }

    /// Whether some part of the text fits.
    pub fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Values of a filter: each a text, which is also a regular expression if it can be read as one.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<(String, Option<Pattern>)>);

impl Patterns {
    pub(crate) fn of<'v>(values: impl Iterator<Item = &'v str>) -> Self {
        Self(values.map(|value| (value.to_owned(), Pattern::parse(value))).collect())
    }

    /// Whether there are none: then everything fits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are none, or one of them is one of `texts` or is found in one of them.
    pub fn fit(&self, texts: &[&str]) -> bool {
        self.is_empty()
            || self.0.iter().any(|(value, pattern)| {
                texts.contains(&value.as_str())
                    || pattern.as_ref().is_some_and(|it| texts.iter().any(|text| it.is_in(text)))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_found(pattern: &str, texts: &[&str], others: &[&str]) {
        let parsed = Pattern::parse(pattern).unwrap_or_else(|| panic!("{pattern}"));
        for text in texts {
            assert!(parsed.is_in(text), "{pattern} in {text}");
        }
        for text in others {
            assert!(!parsed.is_in(text), "{pattern} not in {text}");
        }
    }

    #[test]
    fn names_are_found() {
        assert_found("eb", &["web", "eb", "webs"], &["e", "we", ""]);
        assert_found("^/?web$", &["web", "/web"], &["web1", "aweb", ""]);
        assert_found("^(web|db)-[0-9]+$", &["web-1", "db-22"], &["web-", "db-2x", "-1"]);
        assert_found("^a{2,3}$", &["aa", "aaa"], &["a", "aaaa"]);
        assert_found("(?i)^WEB", &["web", "Web2"], &["aweb"]);
        assert_found("^[[:alpha:]_]\\w?$", &["a", "_1"], &["1", "-"]);
        assert_found("", &["", "a"], &[]);
    }

    #[test]
    fn what_is_malformed_or_too_long_is_no_pattern() {
        for text in ["[", "(", ")", "a)", "*", "[z-a]", "a{3,2}", "\\", "\\q", "[a"] {
            assert!(Pattern::parse(text).is_none(), "{text}");
        }
        assert!(Pattern::parse("((a{100}){100}){100}").is_none(), "too many steps");
        assert!(Pattern::parse(&"(".repeat(4000)).is_none());
        assert!(Pattern::parse(&"a".repeat(MAX_PATTERN_BYTES + 1)).is_none());
    }
}
