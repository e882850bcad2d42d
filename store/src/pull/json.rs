//! JSON of registries, bounded in depth. Parsers skip unknown fields without counting, and others
//! that read the same document later may not.

use serde::de::DeserializeOwned;

use super::manifest::ManifestError;

/// Deepest nesting of arrays and objects.
pub(crate) const DEPTH_LIMIT: usize = 64;

/// Reads a whole document; `what` names it in errors.
pub(crate) fn parse<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, ManifestError> {
    if depth(bytes) > DEPTH_LIMIT {
        let reason = format!("nested deeper than {DEPTH_LIMIT}");
        return Err(ManifestError::Invalid { what, reason });
    }
    serde_json::from_slice(bytes).map_err(|source| ManifestError::Json { what, source })
}

/// The deepest nesting of a text that is JSON; of another text, any number.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in bytes {
        match (in_string, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_outside_of_strings() {
        assert_eq!(depth(br#"{"a":[1,{"b":"[[[[\"{{"}],"c":{}}"#), 3);
        assert_eq!(depth(b""), 0);
        assert_eq!(depth(b"]]["), 1);
    }
}
