//! JSON laid out on lines without changing the order of its members, as `inspect` shows it.

const INDENT: &str = "    ";

/// Lays out `text`, which is JSON, as if it stood `depth` levels deep.
pub(crate) fn indent(text: &str, depth: usize) -> String {
    let mut laid_out = String::with_capacity(text.len() * 2);
    let mut depth = depth;
    let mut in_string = false;
    let mut escaped = false;
    let mut just_opened = false;
    for character in text.chars() {
        if in_string {
            laid_out.push(character);
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        if character.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(character, '}' | ']');
        if just_opened && !closes {
            depth += 1;
            new_line(&mut laid_out, depth);
        }
        if closes && !just_opened {
            depth = depth.saturating_sub(1);
            new_line(&mut laid_out, depth);
        }
        just_opened = matches!(character, '{' | '[');
        laid_out.push(character);
        match character {
            '"' => in_string = true,
            ',' => new_line(&mut laid_out, depth),
            ':' => laid_out.push(' '),
            _ => {}
        }
    }
    laid_out
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    for _ in 0..depth {
        text.push_str(INDENT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_empty_things_stay() {
        let text = r#"{"b":[1,{"x":"a\"},{"}],"a":{},"c":[ ]}"#;
        let expected = "{\n    \"b\": [\n        1,\n        {\n            \"x\": \"a\\\"},{\"\n        }\n    ],\n    \"a\": {},\n    \"c\": []\n}";
        assert_eq!(indent(text, 0), expected);
        assert_eq!(indent("[[],1]", 1), "[\n        [],\n        1\n    ]");
    }
}
