//! The house rules that a compiler does not check, each with a ratchet: an exception is listed
//! with its reason, and may only shrink.

use std::collections::BTreeMap;

use harness::source::{self, Source};

/// Lines that a file may have.
const FILE_LINES: usize = 600;
/// Lines above which a file is long; only few are.
const LONG_FILE_LINES: usize = 400;
/// Share of long files, in percent.
const LONG_FILES_PERCENT: usize = 5;
/// Lines that a function may have, its signature and last brace included.
const FUNCTION_LINES: usize = 70;

/// Files that may be longer: path, lines, reason.
const LONGER_FILES: [(&str, usize, &str); 0] = [];

/// Functions that may be longer: path, name, lines, reason.
const LONGER_FUNCTIONS: [(&str, &str, usize, &str); 1] =
    [("daemon/src/http/router.rs", "table", 80, "one row an endpoint, and nothing else")];

/// The crates that each crate may depend on.
const ARROWS: [(&str, &[&str]); 7] = [
    ("api-spec", &[]),
    ("store", &[]),
    ("runtime", &[]),
    ("daemon", &["api-spec", "store", "runtime"]),
    ("cli", &["api-spec"]),
    ("tests", &[]),
    ("benches", &["tests"]),
];

/// Where `unsafe` may be written.
const UNSAFE_ROOMS: [&str; 6] = [
    "runtime/src/sys/",
    "runtime/src/sys.rs",
    "store/src/sys/",
    "store/src/sys.rs",
    "benches/src/floor/sys.rs",
    // The program that `--init` puts before a command: no crate, no libc.
    "guest/init.rs",
];

/// Names of files and folders that say nothing.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "misc"];

/// Words of unfinished work.
const UNFINISHED: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];

fn rust() -> Vec<Source> {
    let files = source::files(".rs");
    assert!(files.len() > 50, "the sources are not found");
    files
}

#[track_caller]
fn nothing(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn files_are_short() {
    let files = rust();
    let mut too_long = Vec::new();
    for file in &files {
        let lines = file.text.lines().count();
        let listed = LONGER_FILES.iter().find(|(path, ..)| *path == file.path);
        let limit = listed.map_or(FILE_LINES, |(_, limit, _)| *limit);
        if lines > limit {
            too_long.push(format!("{}: {lines} lines, {limit} may be", file.path));
        }
    }
    nothing(&too_long, "files that are too long");
    let long = files.iter().filter(|file| file.text.lines().count() > LONG_FILE_LINES).count();
    let share = long * 100 / files.len();
    assert!(share <= LONG_FILES_PERCENT, "{long} of {} files are long", files.len());
}

#[test]
fn functions_are_short() {
    let mut too_long = Vec::new();
    for file in rust() {
        for (name, lines) in functions(&file.text) {
            let listed =
                LONGER_FUNCTIONS.iter().find(|(path, f, ..)| *path == file.path && *f == name);
            let limit = listed.map_or(FUNCTION_LINES, |(_, _, limit, _)| *limit);
            if lines > limit {
                too_long.push(format!("{}: {name} has {lines} lines, {limit} may be", file.path));
            }
        }
    }
    nothing(&too_long, "functions that are too long");
}

/// Name and length of each function, by the indentation of its first and last line.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let close = format!("{indent}}}");
        let rest = &lines[start..];
        let Some(length) = rest.iter().position(|line| *line == close) else { continue };
        // A declaration in a trait or an extern block ends without a body.
        let opens = rest.iter().position(|line| line.contains('{')).unwrap_or(length);
        let declared = rest[..opens].iter().any(|line| line.trim_end().ends_with(';'));
        if !declared {
            found.push((name, length + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let words: Vec<_> = line.trim_start().split(' ').collect();
    let at = words.iter().position(|word| *word == "fn")?;
    let modifiers =
        ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    if !words[..at].iter().all(|word| modifiers.contains(word) || word.starts_with("pub(in")) {
        return None;
    }
    let name = words.get(at + 1)?;
    Some(name.split(['(', '<']).next()?.to_owned())
}

#[test]
fn names_of_files_say_something() {
    let mut found = Vec::new();
    for file in rust() {
        for part in file.path.split('/') {
            let stem = part.strip_suffix(".rs").unwrap_or(part);
            if stem == "mod" || EMPTY_NAMES.contains(&stem) {
                found.push(file.path.clone());
            }
        }
    }
    nothing(&found, "mod.rs, or a name that says nothing");
}

#[test]
fn files_say_what_lives_in_them() {
    // A room's `tests.rs` lives in what its parent says.
    let is_tests = |path: &str| {
        path.ends_with("/tests.rs") || path.contains("/src/") && path.contains("/tests/")
    };
    let headless = rust().into_iter().filter(|file| !file.text.starts_with("//!"));
    let headless: Vec<_> = headless.map(|file| file.path).filter(|path| !is_tests(path)).collect();
    nothing(&headless, "files without a first paragraph");
}

#[test]
fn crates_point_where_they_may() {
    let names: Vec<_> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (name, allowed) in ARROWS {
        let manifest = source::file(&format!("{name}/Cargo.toml"));
        for line in manifest.lines() {
            let key = line.split(['.', ' ', '=']).next().unwrap_or_default().trim_matches('"');
            let path = line.split("path = \"../").nth(1).and_then(|rest| rest.split('"').next());
            let dependency = path.unwrap_or(key).trim_start_matches("jocker-");
            let arrow = names.contains(&dependency) && !line.starts_with('[');
            assert!(!arrow || allowed.contains(&dependency), "{name} → {dependency}");
        }
    }
}

#[test]
fn unsafe_code_has_its_rooms() {
    let mut found = Vec::new();
    for file in rust() {
        if UNSAFE_ROOMS.iter().any(|room| file.path.starts_with(room)) {
            continue;
        }
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let written = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
            let in_string = file.path == "tests/tests/tidy.rs";
            if written.iter().any(|form| code.contains(form)) && !in_string {
                found.push(format!("{}:{}", file.path, number + 1));
            }
        }
    }
    nothing(&found, "unsafe outside of its rooms");
}

#[test]
fn nothing_is_left_for_later() {
    let mut found = Vec::new();
    for file in rust().into_iter().filter(|file| file.path != "tests/tests/tidy.rs") {
        for (number, line) in file.text.lines().enumerate() {
            let words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
            if words.into_iter().any(|word| UNFINISHED.contains(&word)) {
                found.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    nothing(&found, "words of unfinished work");
}

#[test]
fn sql_is_the_database_s_alone() {
    let store = rust().into_iter().filter(|file| !file.path.starts_with("store/src/db"));
    let mut found = Vec::new();
    for file in
        store.filter(|file| file.path.starts_with("store/") || file.path.starts_with("daemon/"))
    {
        if file.text.contains("rusqlite::") {
            found.push(file.path);
        }
    }
    found.retain(|path| !path.starts_with("store/src/error") && path != "store/src/db.rs");
    // It damages rows, and nothing but SQL does that.
    found.retain(|path| path != "store/tests/store/check.rs");
    nothing(&found, "SQL outside of the store's database room");
}

/// The compatibility table names its proofs as `file::test`, meaning `tests/tests/file.rs`.
#[test]
fn tests_that_the_readme_names_exist() {
    let readme = source::file("README.md");
    let mut tests = BTreeMap::new();
    for file in rust() {
        if let Some(name) = file.path.strip_prefix("tests/tests/") {
            tests.insert(name.trim_end_matches(".rs").to_owned(), file.text);
        }
    }
    let mut missing = Vec::new();
    for token in readme.split('`').skip(1).step_by(2) {
        let Some((file, test)) = token.split_once("::") else { continue };
        let Some(text) = tests.get(file) else { continue };
        if !text.contains(&format!("fn {test}(")) {
            missing.push(token.to_owned());
        }
    }
    nothing(&missing, "tests that the README names and nobody wrote");
    let rows = readme.lines().filter(|line| line.starts_with('|') && line.contains("| works |"));
    let unproven: Vec<_> = rows.filter(|row| !row.contains("::")).map(str::to_owned).collect();
    nothing(&unproven, "rows of the compatibility table without a test");
}

#[test]
fn exceptions_are_still_needed() {
    for (path, limit, reason) in LONGER_FILES {
        let lines = source::file(path).lines().count();
        assert!(lines > FILE_LINES, "{path} ({reason}) needs no exception of {limit} any more");
    }
    for (path, name, limit, reason) in LONGER_FUNCTIONS {
        let lengths = functions(&source::file(path));
        let needed = lengths.iter().any(|(f, lines)| f == name && *lines > FUNCTION_LINES);
        assert!(needed, "{path}: {name} ({reason}) needs no exception of {limit} any more");
    }
}
