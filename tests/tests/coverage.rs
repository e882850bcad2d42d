//! Every endpoint of the router's table has a test that names it: `/// Route: METHOD /path`.

use std::collections::BTreeSet;

use harness::source;

fn named() -> BTreeSet<String> {
    let files =
        source::files(".rs").into_iter().filter(|file| file.path.starts_with("tests/tests/"));
    let texts: Vec<_> = files.map(|file| file.text).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.filter_map(|line| line.trim().strip_prefix("/// Route: ")).map(str::to_owned).collect()
}

#[test]
fn every_endpoint_has_a_test() {
    let routes = source::routes();
    assert!(routes.len() > 20, "the table is not understood: {routes:?}");
    let named = named();
    let missing: Vec<_> = routes.difference(&named).collect();
    assert!(missing.is_empty(), "no test names {missing:?}");
}

#[test]
fn no_test_names_an_endpoint_that_is_not_there() {
    let (routes, named) = (source::routes(), named());
    let strange: Vec<_> = named.difference(&routes).collect();
    assert!(strange.is_empty(), "{strange:?} are not in the router's table");
}
