//! Every endpoint of the router's table has a test that names it: `/// Route: METHOD /path`.

use std::collections::BTreeSet;

use harness::source;

/// `METHOD /path` of each row of the table.
fn routes() -> BTreeSet<String> {
    let text = source::file("daemon/src/http/router.rs");
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

fn named() -> BTreeSet<String> {
    let files =
        source::files(".rs").into_iter().filter(|file| file.path.starts_with("tests/tests/"));
    let texts: Vec<_> = files.map(|file| file.text).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.filter_map(|line| line.trim().strip_prefix("/// Route: ")).map(str::to_owned).collect()
}

#[test]
fn every_endpoint_has_a_test() {
    let routes = routes();
    assert!(routes.len() > 20, "the table is not understood: {routes:?}");
    let named = named();
    let missing: Vec<_> = routes.difference(&named).collect();
    assert!(missing.is_empty(), "no test names {missing:?}");
}

#[test]
fn no_test_names_an_endpoint_that_is_not_there() {
    let (routes, named) = (routes(), named());
    let strange: Vec<_> = named.difference(&routes).collect();
    assert!(strange.is_empty(), "{strange:?} are not in the router's table");
}
