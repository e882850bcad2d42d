//! One scenario against one daemon.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::scenario::{Scenario, Step};
use super::{IMAGE, image};
use crate::client::Client;

/// How long a hijacked connection may be silent before it counts as left open.
const SILENCE: Duration = Duration::from_secs(8);

/// How long dockerd may show a state that it has answered is over.
const REST: Duration = Duration::from_millis(500);

/// An answer, with the request as it is written in the scenario.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Method and path, variables not filled in.
    pub request: String,
    /// The body of the request, likewise.
    pub sent: String,
    /// HTTP status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, values of variables replaced by their names.
    pub body: Vec<u8>,
}

/// A name that no other scenario has, for `$N` on both sides.
pub fn fresh_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("differ-{}-{number}", std::process::id())
}

/// Plays the scenario and clears away what bears its name.
#[track_caller]
pub fn play(client: &Client, scenario: &Scenario, version: &str, name: &str) -> Vec<Seen> {
    let id = image().id();
    let now = Timestamp::now().as_second();
    let mut variables = BTreeMap::from([
        ("N".to_owned(), name.to_owned()),
        ("IMAGE".to_owned(), IMAGE.to_owned()),
        ("IID".to_owned(), id.trim_start_matches("sha256:").to_owned()),
        ("T0".to_owned(), (now - 1).to_string()),
    ]);
    let mut answers = Vec::new();
    for (number, step) in scenario.steps.iter().enumerate() {
        variables.insert("U".to_owned(), format!("{name}-u{number}"));
        let soon = Timestamp::now().as_second() + 1;
        variables.insert("NOW".to_owned(), soon.to_string());
        let (status, headers, body) = ask(client, step, version, &variables);
        keep(step, &body, &mut variables);
        if step.rest {
            std::thread::sleep(REST);
        }
        if !step.quiet {
            let body = name_variables(body, &variables);
            let request = format!("{} {}", step.method, step.path);
            let sent = step.body.clone();
            answers.push(Seen { request, sent, status, headers, body });
        }
    }
    clear(client, name);
    answers
}

type Raw = (u16, Vec<(String, String)>, Vec<u8>);

#[track_caller]
fn ask(client: &Client, step: &Step, version: &str, variables: &BTreeMap<String, String>) -> Raw {
    let path = encode(&fill(&step.path, variables));
    let path = match path.strip_prefix('!') {
        Some(bare) => bare.to_owned(),
        None => format!("/v{version}{path}"),
    };
    let body = fill(&step.body, variables);
    if let Some(stdin) = &step.stdin {
        let json = (!body.is_empty()).then(|| serde_json::from_str(&body).expect("a JSON body"));
        let mut stream = client.upgrade(&path, json.as_ref());
        if stream.status == 101 || stream.status == 200 {
            stream.write(stdin.as_bytes());
            stream.half_close();
        }
        let (status, headers) = (stream.status, stream.headers.clone());
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let body = match length {
            // An error: the connection stays open behind it.
            Some((_, length)) => stream.read_exact(length.parse().expect("a length")),
            None => match stream.read_for(SILENCE) {
                (bytes, true) => bytes,
                (mut bytes, false) => {
                    bytes.extend_from_slice(b"<not closed>");
                    bytes
                }
            },
        };
        return (status, headers, body);
    }
    let mut headers: Vec<_> =
        step.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if !body.is_empty() && !has_type {
        headers.push(("Content-Type", "application/json"));
    }
    let answer = client.send(&step.method, &path, &headers, body.as_bytes());
    (answer.status, answer.headers, answer.body)
}

#[track_caller]
fn keep(step: &Step, body: &[u8], variables: &mut BTreeMap<String, String>) {
    for (name, place) in &step.keep {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let value = json.pointer(&place.replace('.', "/")).and_then(Value::as_str);
        // A daemon that refused has nothing to keep; its later answers differ all the same.
        let value = value.unwrap_or("nothing-was-kept").trim_start_matches("sha256:");
        variables.insert(format!("{name}12"), value.chars().take(12).collect());
        variables.insert(name.clone(), value.to_owned());
    }
}

/// Replaces `$NAME`; the longest name that fits counts.
fn fill(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in by_length(variables, |(name, _)| name.len()) {
        text = text.replace(&format!("${name}"), value);
    }
    text
}

/// The other way round, so that the two sides' bodies can be compared.
fn name_variables(body: Vec<u8>, variables: &BTreeMap<String, String>) -> Vec<u8> {
    let Ok(mut text) = String::from_utf8(body.clone()) else { return body };
    for (name, value) in by_length(variables, |(_, value)| value.len()) {
        if value.len() >= 8 && !["NOW", "T0", "U"].contains(&name.as_str()) {
            text = text.replace(value, &format!("${name}"));
        }
    }
    text.into_bytes()
}

fn by_length(
    variables: &BTreeMap<String, String>,
    length: impl Fn(&(&String, &String)) -> usize,
) -> Vec<(&String, &String)> {
    let mut all: Vec<_> = variables.iter().collect();
    all.sort_by_key(|entry| std::cmp::Reverse(length(entry)));
    all
}

/// Percent-encodes what a URL may not hold as it is.
fn encode(path: &str) -> String {
    let mut encoded = String::new();
    for character in path.chars() {
        match character {
            '{' | '}' | '"' | '[' | ']' | '|' | '^' | '\\' | '<' | '>' => {
                encoded += &format!("%{:02X}", u32::from(character));
            }
            other => encoded.push(other),
        }
    }
    encoded
}

/// Removes containers, volumes, networks and tags whose name begins with `name`.
fn clear(client: &Client, name: &str) {
    let named = encode(&format!("{{\"name\":[\"{name}\"]}}"));
    let containers = client.get(&format!("/containers/json?all=1&filters={named}")).json();
    for container in containers.as_array().into_iter().flatten() {
        let id = container["Id"].as_str().unwrap_or_default();
        client.delete(&format!("/containers/{id}?force=1&v=1"));
    }
    let volumes = client.get(&format!("/volumes?filters={named}")).json();
    for volume in volumes["Volumes"].as_array().into_iter().flatten() {
        client.delete(&format!("/volumes/{}", volume["Name"].as_str().unwrap_or_default()));
    }
    let networks = client.get(&format!("/networks?filters={named}"));
    if networks.status == 200 {
        for network in networks.json().as_array().into_iter().flatten() {
            client.delete(&format!("/networks/{}", network["Id"].as_str().unwrap_or_default()));
        }
    }
    let references = encode(&format!("{{\"reference\":[\"{name}*\"]}}"));
    let images = client.get(&format!("/images/json?filters={references}")).json();
    for image in images.as_array().into_iter().flatten() {
        for tag in image["RepoTags"].as_array().into_iter().flatten() {
            let tag = tag.as_str().unwrap_or_default();
            if tag.starts_with(name) {
                client.delete(&format!("/images/{tag}"));
            }
        }
    }
}
