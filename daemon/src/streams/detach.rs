//! The keys that detach a client with a terminal: `ctrl-p,ctrl-q` unless it chose others. Pure.

/// Docker's default: ctrl-p, ctrl-q.
const DEFAULT: [u8; 2] = [16, 17];

/// A sequence of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys(Vec<u8>);

/// Docker's answer to keys that are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid detach keys ({0}) provided")]
pub(crate) struct KeysError(String);

impl Keys {
    /// Reads `a,ctrl-b`; empty is the default.
    pub(crate) fn parse(text: &str) -> Result<Self, KeysError> {
        if text.is_empty() {
            return Ok(Self(DEFAULT.to_vec()));
        }
        let wrong = || KeysError(text.to_owned());
        text.split(',')
            .map(|key| key_code(key).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn key_code(key: &str) -> Option<u8> {
    if let [single] = key.as_bytes() {
        return single.is_ascii().then_some(*single);
    }
    match key.strip_prefix("ctrl-")?.as_bytes() {
        [letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
        b"@" => Some(0),
        b"[" => Some(27),
        b"\\" => Some(28),
        b"]" => Some(29),
        b"^" => Some(30),
        b"_" => Some(31),
        _ => None,
    }
}

/// What becomes of typed bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// These go to the container; what may be the beginning of the keys is held back.
    Pass(Vec<u8>),
    /// These, and then the client is detached.
    Detach(Vec<u8>),
}

/// Looks for the keys in what is typed.
#[derive(Debug)]
pub(super) struct Matcher {
    keys: Keys,
    matched: usize,
}

impl Matcher {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, matched: 0 }
    }

    pub(super) fn feed(&mut self, typed: &[u8]) -> Fed {
        let keys = &self.keys.0;
        let mut pass = Vec::with_capacity(typed.len());
        for byte in typed {
            if keys.get(self.matched) != Some(byte) {
                pass.extend_from_slice(&keys[..self.matched]);
                self.matched = 0;
            }
            if keys.get(self.matched) == Some(byte) {
                self.matched += 1;
                if self.matched == keys.len() {
                    return Fed::Detach(pass);
                }
            } else {
                pass.push(*byte);
            }
        }
        Fed::Pass(pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        assert_eq!(Keys::parse("").unwrap().0, [16, 17]);
        assert_eq!(Keys::parse("a,ctrl-b,ctrl-[").unwrap().0, [b'a', 2, 27]);
        let error = Keys::parse("bogus").unwrap_err();
        assert_eq!(error.to_string(), "Invalid detach keys (bogus) provided");
    }

    #[test]
    fn the_sequence_detaches_and_its_beginning_is_held_back() {
        let mut matcher = Matcher::new(Keys::parse("").unwrap());
        assert_eq!(matcher.feed(b"ab\x10"), Fed::Pass(b"ab".to_vec()));
        assert_eq!(matcher.feed(b"c"), Fed::Pass(b"\x10c".to_vec()));
        assert_eq!(matcher.feed(b"\x10\x10\x11x"), Fed::Detach(b"\x10".to_vec()));
    }
}
