//! Searching a registry: `docker search`.

use harness::registry::Registry;
use harness::{Daemon, escaped, name};
use serde_json::json;

/// Route: GET /images/search
#[test]
fn repositories_are_found_and_filtered() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let mark = name();
    let found = |name: &str, stars: i64, official: bool| {
        json!({
            "name": name, "description": format!("about {name}"), "star_count": stars,
            "is_official": official, "is_automated": false, "is_trusted": false,
        })
    };
    let answer = json!({
        "num_results": 2, "query": mark,
        "results": [found("one", 3, true), found("two/x", 10, false)],
    });
    registry.answer("/v1/search", &answer.to_string());
    registry.answer("/v1/_ping", "{}");
    let term = escaped(&format!("{}/{mark}", registry.host()));
    let search = |rest: &str| {
        daemon.http().get(&format!("/images/search?term={term}{rest}")).expect(200).json()
    };
    let all = search("");
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    assert_eq!(all[0]["name"], "one");
    assert_eq!((&all[0]["star_count"], &all[0]["is_official"]), (&json!(3), &json!(true)));
    assert_eq!(all[1]["description"], "about two/x");
    let asked = registry.asked("/v1/search");
    assert!(asked[0].path.contains(&format!("q={mark}")) && asked[0].path.contains("n=25"));
    search("&limit=7");
    assert!(registry.asked("/v1/search").last().is_some_and(|asked| asked.path.contains("n=7")));
    let only = |filters: &str| {
        let list = search(&format!("&filters={}", escaped(filters)));
        list.as_array().expect("a list").iter().map(|one| one["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(only(r#"{"is-official":["true"]}"#), [json!("one")]);
    assert_eq!(only(r#"{"stars":["5"]}"#), [json!("two/x")]);
    let get = |query: &str| daemon.http().get(&format!("/images/search?term={term}{query}"));
    let refused = get("&limit=500").expect(400).message();
    assert_eq!(refused, "limit 500 is outside the range of [1, 100]");
    get(&format!("&filters={}", escaped(r#"{"nosuch":["1"]}"#))).expect(400);
    let shown = daemon.docker(&["search", &format!("{}/{mark}", registry.host())]).ok();
    assert!(shown.contains("two/x") && shown.contains("about one"), "{shown}");
    daemon.http().get("/images/search?term=127.0.0.1:1/x").expect(if daemon.is_reference() {
        400
    } else {
        500
    });
}
