//! `docs/compat/endpoints.md`: every endpoint with the tests that drive it, from the router's table and the tests'
//! `/// Route:` lines. `make compat` runs the tests, and writes there what became of them; without it only the names
//! are looked at. The states of the README's table are written then, too: a row *works* when all tests that it names
//! have passed, and *fails* otherwise; *partly* and *missing* are what its text says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use harness::source;

const README: &str = "README.md";
/// States of the README's rows that tests decide.
const WORKS: &str = "works";
const FAILS: &str = "fails";
const PAGE: &str = "docs/compat/endpoints.md";
const HEAD: &str = "# Endpoints\n\nMade by `make compat` from the tests and their results; `file::test` is in `tests/tests/`. Where no state is\n\
                    said, the tests have not been run for this page yet.\n\n\
                    | endpoint | tests | state |\n|---|---|---|\n";
/// The results of a run as nextest writes them, in JUnit's form.
const RESULTS: &str = "JOCKER_RESULTS";

/// `file::test` of each endpoint.
fn tests_of_endpoints() -> BTreeMap<String, BTreeSet<String>> {
    let mut table: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in source::files(".rs").iter().filter(|file| file.path.starts_with("tests/tests/")) {
        let name = file.path.trim_start_matches("tests/tests/").trim_end_matches(".rs");
        let mut routes = Vec::new();
        for line in file.text.lines().map(str::trim) {
            if let Some(route) = line.strip_prefix("/// Route: ") {
                routes.push(route.to_owned());
            } else if let Some(test) =
                line.strip_prefix("fn ").and_then(|rest| rest.split('(').next())
            {
                for route in routes.drain(..) {
                    table.entry(route).or_default().insert(format!("{name}::{test}"));
                }
            }
        }
    }
    table
}

/// What became of each test: `file::test`, passed.
fn results() -> Option<BTreeMap<String, bool>> {
    let path = std::env::var_os(RESULTS).filter(|path| !path.is_empty())?;
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut results = BTreeMap::new();
    for case in text.split("<testcase ").skip(1) {
        let attribute = |name: &str| {
            let start = case.find(&format!("{name}=\""))? + name.len() + 2;
            Some(&case[start..start + case[start..].find('"')?])
        };
        let (Some(test), Some(binary)) = (attribute("name"), attribute("classname")) else {
            continue;
        };
        let Some(file) = binary.strip_prefix("jocker-tests::") else { continue };
        let body = case.split("</testcase>").next().unwrap_or_default();
        let failed = body.contains("<failure") || body.contains("<error");
        results.insert(format!("{file}::{test}"), !failed);
    }
    assert!(!results.is_empty(), "no test of ours in {path:?}");
    Some(results)
}

fn page(results: &BTreeMap<String, bool>) -> String {
    let mut page = HEAD.to_owned();
    for (endpoint, tests) in tests_of_endpoints() {
        let named: Vec<_> = tests.iter().map(|test| format!("`{test}`")).collect();
        let failing: Vec<_> = (tests.iter())
            .filter(|test| results.get(*test) != Some(&true))
            .map(String::as_str)
            .collect();
        let state = match failing.as_slice() {
            [] => "works".to_owned(),
            failing => format!("not shown: {}", failing.join(", ")),
        };
        writeln!(page, "| `{endpoint}` | {} | {state} |", named.join(", ")).expect("a text");
    }
    page
}

/// Whether a word has the form of `file::test`.
fn is_test(word: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    };
    word.split_once("::").is_some_and(|(file, test)| is_name(file) && is_name(test))
}

#[test]
fn the_page_of_endpoints_names_what_is_there() {
    if let Some(results) = results() {
        fs::write(source::root().join(PAGE), page(&results)).expect("the page is written");
    }
    let there: BTreeSet<_> = tests_of_endpoints().into_values().flatten().collect();
    let page = source::file(PAGE);
    let named = page.split('`').filter(|word| is_test(word) && *word != "file::test");
    let gone: Vec<_> = named.filter(|test| !there.contains(*test)).collect();
    assert!(gone.is_empty(), "{PAGE} is old: `make compat` writes it anew without {gone:?}");
}

/// The README with the states of its table's rows by what became of the tests that they name.
fn with_states(readme: &str, results: &BTreeMap<String, bool>) -> String {
    let lines = readme.lines().map(|line| {
        let cells: Vec<_> = line.split(" | ").collect();
        let [what, WORKS | FAILS, shown] = cells.as_slice() else { return format!("{line}\n") };
        let mut tests = shown.split('`').filter(|word| is_test(word)).peekable();
        let is_shown = tests.peek().is_some() && tests.all(|test| results.get(test) == Some(&true));
        format!("{what} | {} | {shown}\n", if is_shown { WORKS } else { FAILS })
    });
    lines.collect()
}

#[test]
fn the_readme_s_states_are_those_of_the_tests() {
    let Some(results) = results() else { return };
    let readme = with_states(&source::file(README), &results);
    fs::write(source::root().join(README), &readme).expect("the README is written");
    let failing: Vec<_> =
        readme.lines().filter(|line| line.contains(&format!(" | {FAILS} | "))).collect();
    assert!(failing.is_empty(), "no longer shown to work:\n{}", failing.join("\n"));
}

#[test]
fn rows_that_work_name_tests() {
    let readme = source::file(README);
    let rows = readme.lines().filter(|line| line.contains(&format!(" | {WORKS} | ")));
    let bare: Vec<_> = rows.filter(|row| !row.split('`').any(is_test)).collect();
    assert!(bare.is_empty(), "these name no test:\n{}", bare.join("\n"));
}

#[test]
fn a_row_works_while_its_tests_pass() {
    let results = [("a::b", true), ("a::c", false)].map(|(test, ok)| (test.to_owned(), ok)).into();
    let table = "| x | works | `a::b` |\n| `y` | works | `a::b`, `a::c` |\n| z | fails | so: `a::b` |\n\
                 | p | partly | `a::c`; no q |\n\ntext\n";
    let expected = "| x | works | `a::b` |\n| `y` | fails | `a::b`, `a::c` |\n| z | works | so: `a::b` |\n\
                    | p | partly | `a::c`; no q |\n\ntext\n";
    assert_eq!(with_states(table, &results), expected);
}
