//! Lines and words of Dockerfile instructions: continued lines, quotes, backslashes, variables.

/// The environment that `$NAME` looks into: `NAME=value`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variables<'a>(pub(super) &'a [String]);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let value = |line: &str| line.split_once('=').is_some_and(|(key, _)| key == name);
        let line = self.0.iter().find(|line| value(line))?;
        line.split_once('=').map(|(_, value)| value)
    }
}

/// The instructions of a text: lines that end with a backslash go on, those with `#` are comments.
pub(super) fn lines(text: &str) -> Vec<String> {
    let (mut lines, mut open) = (Vec::new(), String::new());
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with('#') || (trimmed.is_empty() && open.is_empty()) {
            continue;
        }
        match trimmed.strip_suffix('\\') {
            Some(part) => open.push_str(part),
            None => {
                open.push_str(trimmed);
                lines.push(std::mem::take(&mut open));
            }
        }
    }
    lines.extend((!open.is_empty()).then_some(open));
    lines
}

/// A list of texts in JSON, if it is one.
pub(super) fn json_list(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

/// Words with their quotes and backslashes.
pub(super) fn split(text: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut quote = None;
    let mut all = text.chars();
    while let Some(one) = all.next() {
        match (one, quote) {
            ('\\', None | Some('"')) => {
                word.push(one);
                word.extend(all.next());
                continue;
            }
            ('"' | '\'', None) => quote = Some(one),
            (one, Some(open)) if one == open => quote = None,
            (one, None) if one.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(one);
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// `NAME=value NAME="other value"`, or in the older form `NAME the rest`.
pub(super) fn pairs(
    name: &str,
    rest: &str,
    variables: Variables<'_>,
) -> Result<Vec<(String, String)>, String> {
    let words = split(rest);
    let Some(first) = words.first() else {
        return Err(format!("{name} requires at least one argument"));
    };
    if !first.contains('=') {
        let (key, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if value.trim().is_empty() {
            return Err(format!("{name} must have two arguments"));
        }
        return Ok(vec![(expand(key, variables)?, expand(value.trim(), variables)?)]);
    }
    let pair = |word: &String| {
        let Some((key, value)) = word.split_once('=') else {
            let rule = "Syntax error - can't find = in";
            return Err(format!("{rule} {word:?}. Must be of the form: name=value"));
        };
        match expand(key, variables)? {
            key if key.is_empty() => Err(format!("{name} names can not be blank")),
            key => Ok((key, expand(value, variables)?)),
        }
    };
    words.iter().map(pair).collect()
}

/// A word without its quotes and backslashes, with the values of its variables.
pub(super) fn expand(word: &str, variables: Variables<'_>) -> Result<String, String> {
    let mut text = String::new();
    let mut quote = None;
    let mut rest = word;
    while let Some(one) = rest.chars().next() {
        rest = &rest[one.len_utf8()..];
        match (one, quote) {
            ('\\', None) => {
                let next = rest.chars().next();
                text.extend(next);
                rest = &rest[next.map_or(0, char::len_utf8)..];
            }
            ('\\', Some('"')) if rest.starts_with(['"', '$', '\\']) => {
                text.push_str(&rest[..1]);
                rest = &rest[1..];
            }
            ('"' | '\'', None) => quote = Some(one),
            (one, Some(open)) if one == open => quote = None,
            ('$', None | Some('"')) => {
                let (value, after) = variable(rest, variables)?;
                text.push_str(&value);
                rest = after;
            }
            _ => text.push(one),
        }
    }
    match quote {
        None => Ok(text),
        Some(quote) => {
            Err(format!("unexpected end of statement while looking for matching {quote}"))
        }
    }
}

/// What comes after a dollar sign: the value, and the rest.
fn variable<'t>(rest: &'t str, variables: Variables<'_>) -> Result<(String, &'t str), String> {
    let is_name = |one: char| one.is_ascii_alphanumeric() || one == '_';
    let Some(braced) = rest.strip_prefix('{') else {
        let end = rest.find(|one| !is_name(one)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return Ok(("$".to_owned(), rest));
        }
        return Ok((variables.get(name).unwrap_or_default().to_owned(), after));
    };
    let Some((inside, after)) = braced.split_once('}') else {
        return Err("syntax error: missing '}'".to_owned());
    };
    let end = inside.find(|one| !is_name(one)).unwrap_or(inside.len());
    let (name, modifier) = inside.split_at(end);
    let value = variables.get(name).unwrap_or_default();
    let value = match modifier.split_at_checked(2) {
        _ if modifier.is_empty() => value.to_owned(),
        Some((":-", other)) if value.is_empty() => expand(other, variables)?,
        Some((":-", _)) => value.to_owned(),
        Some((":+", other)) if !value.is_empty() => expand(other, variables)?,
        Some((":+", _)) => String::new(),
        _ => return Err(format!("unsupported modifier ({modifier}) in substitution")),
    };
    Ok((value, after))
}
