//! Two answers side by side. Ids and times are compared by their form, all else by value.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::play::Seen;
use crate::schema::type_of;
use crate::stdcopy;

/// Header fields that say when, how long and by whom, and are no part of the answer.
const UNCOMPARED_HEADERS: [&str; 7] = [
    "api-version",
    "connection",
    "content-length",
    "date",
    "docker-experimental",
    "server",
    "transfer-encoding",
];
/// How much of a value a report shows, in characters.
const SHOWN: usize = 240;

/// In what way two answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Both have it, of the same type, and it is not the same.
    Value,
    /// Both have it, of different types (`null`, `[]` and `{}` are three).
    Type,
    /// Only the reference has it.
    Missing,
    /// Only we have it.
    Extra,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In what way.
    pub kind: Kind,
    /// `status THEIRS OURS`, `header NAME`, `body`, or the path of a JSON member as `.State.Pid`, `[]` for an item.
    pub place: String,
    /// What the reference says.
    pub theirs: String,
    /// What we say.
    pub ours: String,
}

impl Kind {
    /// The word for it in the list of allowances.
    pub fn word(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Type => "type",
            Self::Missing => "missing",
            Self::Extra => "extra",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| {
            let start: String = text.trim_end().chars().take(SHOWN).collect();
            start.replace('\n', "⏎")
        };
        let (kind, place) = (self.kind.word(), &self.place);
        write!(f, "{kind} {place}: reference {} | ours {}", short(&self.theirs), short(&self.ours))
    }
}

/// Every difference of two answers to the same request.
pub(super) fn compare(theirs: &Seen, ours: &Seen) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    if theirs.status != ours.status {
        let show = |seen: &Seen| {
            format!("{} {}", seen.status, String::from_utf8_lossy(&seen.body).trim_end())
        };
        let place = format!("status {} {}", theirs.status, ours.status);
        found.add(Kind::Value, &place, show(theirs), show(ours));
        if theirs.status < 400 || ours.status < 400 {
            return found.0;
        }
    }
    headers(theirs, ours, &mut found);
    match (documents(&theirs.body), documents(&ours.body)) {
        (Some(mut theirs), Some(mut ours)) => {
            sort(&mut theirs);
            sort(&mut ours);
            values("", &theirs, &ours, &mut found);
        }
        _ if theirs.body != ours.body => {
            let (theirs, ours) = (shown(&theirs.body), shown(&ours.body));
            if form_of_text(&theirs) != form_of_text(&ours) {
                found.add(Kind::Value, "body", theirs, ours);
            }
        }
        _ => {}
    }
    found.0
}

/// A body that is no JSON: what frames hold by stream, however they are cut, or the text as it is.
fn shown(body: &[u8]) -> String {
    match stdcopy::try_split(body) {
        Some(output) => format!("stdout: {} stderr: {}", output.stdout, output.stderr),
        None => String::from_utf8_lossy(body).into_owned(),
    }
}

struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, kind: Kind, place: &str, theirs: String, ours: String) {
        self.0.push(Difference { kind, place: place.to_owned(), theirs, ours });
    }
}

fn headers(theirs: &Seen, ours: &Seen, found: &mut Found) {
    let names: BTreeSet<_> =
        theirs.headers.iter().chain(&ours.headers).map(|(name, _)| name).collect();
    let value = |seen: &Seen, wanted: &str| {
        seen.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
    };
    for name in names.into_iter().filter(|name| !UNCOMPARED_HEADERS.contains(&name.as_str())) {
        let place = format!("header {name}");
        match (value(theirs, name), value(ours, name)) {
            (Some(theirs), Some(ours)) if theirs != ours => {
                found.add(Kind::Value, &place, theirs, ours);
            }
            (Some(theirs), None) => found.add(Kind::Missing, &place, theirs, String::new()),
            (None, Some(ours)) => found.add(Kind::Extra, &place, String::new(), ours),
            _ => {}
        }
    }
}

/// A body as JSON: a document, or several in a row as a list.
fn documents(body: &[u8]) -> Option<Value> {
    let all: Result<Vec<Value>, _> =
        serde_json::Deserializer::from_slice(body).into_iter().collect();
    let mut all = all.ok().filter(|all| !all.is_empty())?;
    Some(if all.len() == 1 { all.remove(0) } else { Value::Array(all) })
}

/// Puts what has no order of its own into one: dockerd lists mounts as its maps have them.
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            let is_port = |item: &Value| item.get("PrivatePort").is_some();
            if items.iter().all(is_port) {
                items.sort_by_key(Value::to_string);
            }
            if items.iter().all(|item| item.get("Kind").is_some() && item.get("Path").is_some()) {
                items.sort_by_key(|change| change["Path"].to_string());
            }
        }
        Value::Object(members) => {
            for (key, member) in members.iter_mut() {
                match member {
                    Value::Array(mounts) if key == "Mounts" => {
                        mounts.sort_by_key(|mount| mount["Destination"].to_string());
                    }
                    Value::String(status) if key == "Status" => shorten(status),
                    member => sort(member),
                }
            }
        }
        _ => {}
    }
}

/// `Up 2 seconds`: one side may be asked a second later.
fn shorten(status: &mut String) {
    for seconds in ["Less than a second", "1 second", "2 seconds", "3 seconds"] {
        *status = status.replace(seconds, "a moment");
    }
}

fn values(place: &str, theirs: &Value, ours: &Value, found: &mut Found) {
    match (theirs, ours) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let place = format!("{place}.{key}");
                match (left.get(key), right.get(key)) {
                    (Some(left), Some(right)) => values(&place, left, right, found),
                    (Some(left), None) => {
                        found.add(Kind::Missing, &place, left.to_string(), String::new());
                    }
                    (None, Some(right)) => {
                        found.add(Kind::Extra, &place, String::new(), right.to_string());
                    }
                    (None, None) => {}
                }
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                found.add(Kind::Value, place, theirs.to_string(), ours.to_string());
            }
            let place = format!("{place}[]");
            for (left, right) in left.iter().zip(right) {
                values(&place, left, right, found);
            }
        }
        _ if type_of(theirs) != type_of(ours) => {
            found.add(Kind::Type, place, theirs.to_string(), ours.to_string());
        }
        _ if form(theirs) != form(ours) => {
            found.add(Kind::Value, place, theirs.to_string(), ours.to_string());
        }
        _ => {}
    }
}

fn form(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(form_of_text(text)),
        other => other.clone(),
    }
}

/// A text with its ids and times replaced by what they are.
fn form_of_text(text: &str) -> String {
    let mut form = String::new();
    let mut word = String::new();
    let is_inner = |letter: char| letter.is_ascii_alphanumeric() || "-:.+".contains(letter);
    for letter in text.chars().chain([' ']) {
        if is_inner(letter) {
            word.push(letter);
        } else {
            form += form_of_word(&word);
            word.clear();
            form.push(letter);
        }
    }
    form.pop();
    form
}

fn form_of_word(word: &str) -> &str {
    let hex = word.trim_start_matches("sha256:");
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_time = word.len() >= 20 && word.as_bytes()[10] == b'T' && word.starts_with("2");
    if hex.len() == 64 && is_hex(hex) {
        "<id>"
    } else if is_time && word.parse::<jiff::Timestamp>().is_ok() {
        "<time>"
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(body: &str) -> Seen {
        Seen { status: 200, body: body.as_bytes().to_vec(), ..Seen::default() }
    }

    fn found(theirs: &str, ours: &str) -> Vec<(&'static str, String)> {
        let found = compare(&seen(theirs), &seen(ours));
        found.into_iter().map(|each| (each.kind.word(), each.place)).collect()
    }

    #[test]
    fn nothing_null_and_empty_are_three() {
        assert_eq!(found("{\"a\":[]}", "{}"), [("missing", ".a".to_owned())]);
        assert_eq!(found("{\"a\":[]}", "{\"a\":null}"), [("type", ".a".to_owned())]);
        assert_eq!(found("{\"a\":{\"b\":1}}", "{\"a\":{\"b\":2}}"), [("value", ".a.b".to_owned())]);
        assert_eq!(found("[{\"a\":1}]", "[{\"a\":1,\"b\":0}]"), [("extra", "[].b".to_owned())]);
    }

    #[test]
    fn ids_and_times_count_by_form() {
        let (one, other) = ("a".repeat(64), "b".repeat(64));
        assert_eq!(found(&format!("\"{one}\""), &format!("\"sha256:{other}\"")), []);
        assert_eq!(found("\"2024-01-02T03:04:05.6Z\"", "\"2025-01-02T03:04:05Z\""), []);
        let zero = found("\"0001-01-01T00:00:00Z\"", "\"2025-01-02T03:04:05Z\"");
        assert_eq!(zero, [("value", String::new())]);
    }

    #[test]
    fn lines_of_json_are_a_list() {
        assert_eq!(
            found("{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\n{\"a\":3}\n"),
            [("value", "[].a".to_owned())]
        );
    }
}
