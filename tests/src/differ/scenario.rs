//! Scenarios as text: a title, then one request a line.
//!
//! ```text
//! == title of a scenario
//! @versions 1.24 1.45                     played once in each; without it in the newest of dockerd 26.1
//! POST /containers/create?name=$N {"Image":"$IMAGE"}      method, path, body; $N is a name of its own
//!   keep C .Id                            takes a value out of the answer, for $C in later lines
//!   header Content-Type: text/plain       a header of the request above
//!   quiet                                 played, but not compared
//!   rest                                  gives dockerd's list time to learn of what it has just answered
//!   stdin text                            asks for the connection, writes, reads to the end
//! ```
//!
//! A path that begins with `!` gets no version. `$T0` is the second before the scenario began,
//! `$NOW` the present one; `$U` is another name with every request. Lines that begin with `#` are remarks.

/// The version that scenarios are played in unless they say otherwise: the newest of dockerd 26.1.
const VERSION: &str = "1.45";

/// Requests that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// What is asked about.
    pub title: String,
    /// API versions to play it in.
    pub versions: Vec<String>,
    /// In order.
    pub steps: Vec<Step>,
}

/// One request, with its variables not yet filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// HTTP method.
    pub method: String,
    /// Path and query, without version.
    pub path: String,
    /// Body, empty when there is none.
    pub body: String,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// Variable, and where its value is in the answer.
    pub keep: Vec<(String, String)>,
    /// What is written to the connection after an upgrade.
    pub stdin: Option<String>,
    /// Whether the answers are not compared.
    pub quiet: bool,
    /// Whether nothing is asked for a moment afterwards.
    pub rest: bool,
}

/// Reads a file of scenarios; panics at a line that says nothing.
#[track_caller]
pub fn parse(text: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("== ") {
            let versions = vec![VERSION.to_owned()];
            scenarios.push(Scenario { title: title.to_owned(), versions, ..Scenario::default() });
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            let scenario = scenarios.last_mut().unwrap_or_else(|| panic!("no title: {line}"));
            add(scenario, line);
        }
    }
    scenarios
}

#[track_caller]
fn add(scenario: &mut Scenario, line: &str) {
    if let Some(versions) = line.strip_prefix("@versions ") {
        scenario.versions = versions.split(' ').map(str::to_owned).collect();
        return;
    }
    let Some(detail) = line.strip_prefix("  ") else {
        scenario.steps.push(request(line));
        return;
    };
    let step = scenario.steps.last_mut().unwrap_or_else(|| panic!("no request: {line}"));
    let (word, rest) = detail.split_once(' ').unwrap_or((detail, ""));
    match word {
        "keep" => {
            let (name, place) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            step.keep.push((name.to_owned(), place.to_owned()));
        }
        "header" => {
            let (name, value) = rest.split_once(": ").unwrap_or_else(|| panic!("{line}"));
            step.headers.push((name.to_owned(), value.to_owned()));
        }
        "stdin" => step.stdin = Some(rest.replace("\\n", "\n")),
        "quiet" => step.quiet = true,
        "rest" => step.rest = true,
        other => panic!("unknown word {other:?} in {line:?}"),
    }
}

#[track_caller]
fn request(line: &str) -> Step {
    let (method, rest) = line.split_once(' ').unwrap_or_else(|| panic!("no path: {line}"));
    let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
    Step {
        method: method.to_owned(),
        path: path.to_owned(),
        body: body.to_owned(),
        ..Step::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_read() {
        let text = "# remark\n== a\n@versions 1.24 1.45\nPOST /x?y={} {\"a\": 1}\n  keep C .Id\n  quiet\n\n== b\nGET /z\n";
        let scenarios = parse(text);
        assert_eq!(scenarios.len(), 2);
        assert_eq!(scenarios[0].versions, ["1.24", "1.45"]);
        let step = &scenarios[0].steps[0];
        assert_eq!((step.method.as_str(), step.path.as_str()), ("POST", "/x?y={}"));
        assert_eq!(step.body, "{\"a\": 1}");
        assert_eq!(step.keep, [("C".to_owned(), ".Id".to_owned())]);
        assert!(step.quiet && !scenarios[1].steps[0].quiet);
    }
}
