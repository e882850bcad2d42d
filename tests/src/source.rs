//! The project's own tree, for the tests that keep it tidy.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file with its text.
#[derive(Debug)]
pub struct Source {
    /// Relative to the workspace's root.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// All files whose name ends so, sorted by path; build output and hidden folders excepted.
pub fn files(ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root(), ending, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// The text of one file; panics when there is none.
#[track_caller]
pub fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `METHOD /path` of each row of the router's table.
pub fn routes() -> BTreeSet<String> {
    let text = file("daemon/src/http/router.rs");
    let table = text.split("fn table()").nth(1).expect("the table");
    let table = table.split("\n}").next().expect("its end");
    let mut routes = BTreeSet::new();
    for row in table.lines().map(str::trim) {
        let Some((method, rest)) = row.split_once("(\"") else { continue };
        let Some((path, _)) = rest.split_once('"') else { continue };
        routes.insert(format!("{} {path}", method.to_uppercase()));
    }
    routes
}

fn collect(dir: &Path, ending: &str, into: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            collect(&path, ending, into);
        } else if name.ends_with(ending) {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let path = path.strip_prefix(root()).expect("below the root");
            into.push(Source { path: path.to_string_lossy().into_owned(), text });
        }
    }
}
