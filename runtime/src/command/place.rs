//! Where in a JSON document a parser gave up, as the path of the field: `process.args[0]`.
//!
//! The path is found only when there is something to say about it, from the line and column that the parser tells: to
//! keep it all along would cost every start.

use std::fmt::Write as _;

/// What the position is inside of.
#[derive(Debug)]
enum Level<'t> {
    /// The key whose value comes next or has come; `None` while one is awaited.
    Object(Option<&'t str>),
    Array(usize),
}

/// The path of the value that `error` is about; `.` for the whole document.
pub(super) fn path_of(text: &str, error: &serde_json::Error) -> String {
    let line_start = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    let end = (line_start + error.column()).min(text.len());
    // A field that is missing is told of at the end of the object that lacks it; a value that a field refuses for
    // itself may be, too, where it is the last one.
    let lacks = error.to_string().starts_with("missing field");
    let mut levels = Vec::new();
    walk(text, end, lacks, &mut levels);
    show(&levels)
}

/// Follows the document up to the byte `end`. Unless `lacks`, the object that ends there is still seen from inside.
fn walk<'t>(text: &'t str, end: usize, lacks: bool, levels: &mut Vec<Level<'t>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'"' => {
                let close = end_of_string(bytes, at);
                if let Some(Level::Object(key @ None)) = levels.last_mut() {
                    *key = text.get(at + 1..close);
                }
                at = close;
            }
            b'{' => levels.push(Level::Object(None)),
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' if at + 1 < end || lacks => drop(levels.pop()),
            b',' => match levels.last_mut() {
                Some(Level::Object(key)) => *key = None,
                Some(Level::Array(index)) => *index += 1,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
}

/// The closing quote of the string that opens at `open`; the end of the text if there is none.
fn end_of_string(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn show(levels: &[Level<'_>]) -> String {
    let mut path = String::new();
    for level in levels {
        let _ = match level {
            Level::Object(Some(key)) if path.is_empty() => write!(path, "{key}"),
            Level::Object(Some(key)) => write!(path, ".{key}"),
            Level::Object(None) => Ok(()),
            Level::Array(index) => write!(path, "[{index}]"),
        };
    }
    if path.is_empty() { ".".to_owned() } else { path }
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::Spec;
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> String {
        path_of(text, &serde_json::from_str::<Spec>(text).unwrap_err())
    }

    #[test]
    fn fields_and_elements() {
        let process = |inside: &str| {
            format!(
                "{{\"ociVersion\": \"1.2.0\",\n \"process\": {{{inside}}}, \"root\": {{\"path\": \"x\"}}}}"
            )
        };
        for (inside, expected) in [
            (r#""cwd": "/", "args": ["a}\"],", 1]"#, "process.args[1]"),
            (r#""cwd": "/", "user": {"uid": "x", "gid": 0}"#, "process.user.uid"),
            (r#""cwd": "/", "user": {"gid": 0, "uid": -1}"#, "process.user.uid"),
            (r#""cwd": "/", "terminal": {}"#, "process.terminal"),
            (
                r#""cwd": "/", "rlimits": [{"type": "RLIMIT_X", "hard": 1, "soft": 1}]"#,
                "process.rlimits[0].type",
            ),
            (
                r#""cwd": "/", "execCPUAffinity": {"initial": "x"}"#,
                "process.execCPUAffinity.initial",
            ),
            (r#""cwd": "/", "args": ["a", tru]"#, "process.args[1]"),
        ] {
            assert_eq!(path(&process(inside)), expected, "{inside}");
        }
        let lacking =
            r#"{"ociVersion": "1.2.0", "mounts": [{"destination": "/x"}, {"type": "bind"}]}"#;
        assert_eq!(path(lacking), "mounts[1]");
        assert_eq!(path("[1"), "[0]");
        assert_eq!(path(""), ".");
    }

    proptest! {
        #[test]
        fn any_document_has_an_answer(text in "[\\[\\]{}:,\"\\\\a-c0-9é \n]{0,60}") {
            if let Err(error) = serde_json::from_str::<Spec>(&text) {
                prop_assert!(!path_of(&text, &error).is_empty());
            }
        }
    }
}
