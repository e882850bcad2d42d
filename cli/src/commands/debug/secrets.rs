//! What must not leave the machine with a report: values of environment variables, credentials in URLs,
//! and whatever is called a password, token or key.

use serde_json::Value;

/// What stands where something was.
const REMOVED: &str = "<removed>";
/// Members whose names contain one of these hold secrets.
const WORDS: [&str; 7] =
    ["password", "passwd", "secret", "token", "credential", "apikey", "api_key"];
/// Members that hold output of the user's own programs.
const OUTPUTS: [&str; 1] = ["Output"];

/// Removes secrets from JSON.
pub(super) fn remove(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if name == "Env" {
                    variables(member);
                } else if is_secret(name) || OUTPUTS.contains(&name.as_str()) {
                    blot(member);
                } else {
                    remove(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(remove),
        Value::String(text) => *text = of_text(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A line of text without secrets: credentials of URLs, and values behind `password=` and the like.
pub(super) fn of_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = behind.find(['/', '"', '\'', ' ', '\n']).unwrap_or(behind.len());
        let (authority, tail) = behind.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => shown.push_str(&format!("{REMOVED}@{host}")),
            None => shown.push_str(authority),
        }
        rest = tail;
    }
    shown.push_str(rest);
    options(&shown)
}

/// `username=a,password=b` without what is behind `password=`.
fn options(text: &str) -> String {
    let is_end = |letter: char| ",;& \"'\n".contains(letter);
    let mut shown = String::with_capacity(text.len());
    for word in text.split_inclusive(is_end) {
        let end = word.find(is_end).unwrap_or(word.len());
        match word[..end].split_once('=') {
            Some((name, value)) if is_secret(name) && !value.is_empty() => {
                shown.push_str(&format!("{name}={REMOVED}{}", &word[end..]));
            }
            _ => shown.push_str(word),
        }
    }
    shown
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// `NAME=value` as `NAME=<removed>`.
fn variables(list: &mut Value) {
    for each in list.as_array_mut().into_iter().flatten() {
        if let Some((name, _)) = each.as_str().and_then(|text| text.split_once('=')) {
            *each = format!("{name}={REMOVED}").into();
        }
    }
}

/// Says that there was something.
fn blot(value: &mut Value) {
    let is_empty = matches!(value, Value::Null | Value::Bool(_)) || value.as_str() == Some("");
    if !is_empty {
        *value = REMOVED.into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_removed_and_all_else_stays() {
        let mut value = json!({
            "Config": {"Env": ["A=b=c", "D"], "Cmd": ["sh"], "Labels": {"db.Password": "x", "a": "b"}},
            "LogConfig": {"Config": {"splunk-token": "t", "tag": ""}},
            "State": {"Health": {"Log": [{"ExitCode": 0, "Output": "o"}]}},
            "Options": {"type": "cifs", "o": "username=a,password=b,vers=3"},
            "Mirrors": ["https://me:pw@mirror.example/v2", "https://other.example"],
            "OomKillDisable": false,
        });
        remove(&mut value);
        let expected = json!({
            "Config": {"Env": ["A=<removed>", "D"], "Cmd": ["sh"],
                       "Labels": {"db.Password": "<removed>", "a": "b"}},
            "LogConfig": {"Config": {"splunk-token": "<removed>", "tag": ""}},
            "State": {"Health": {"Log": [{"ExitCode": 0, "Output": "<removed>"}]}},
            "Options": {"type": "cifs", "o": "username=a,password=<removed>,vers=3"},
            "Mirrors": ["https://<removed>@mirror.example/v2", "https://other.example"],
            "OomKillDisable": false,
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn text_loses_credentials_of_urls() {
        assert_eq!(
            of_text("to http://a:b@h:5/x and ftp://c"),
            "to http://<removed>@h:5/x and ftp://c"
        );
        assert_eq!(
            of_text("--proxy=http://u@p token=abc"),
            "--proxy=http://<removed>@p token=<removed>"
        );
        assert_eq!(of_text("mail a@b"), "mail a@b");
    }
}
