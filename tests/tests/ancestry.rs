//! Images made of images: what a commit's image remembers of the one below it, and what that keeps
//! from removal.

use harness::{Daemon, IMAGE, name};
use serde_json::{Value, json};

/// An image of a container of `base`, under a name; its id.
fn commit(daemon: &Daemon, base: &str, tag: &str) -> String {
    let id = daemon.create(&json!({ "Image": base, "Cmd": ["true"] }));
    let (repository, tag) = tag.rsplit_once(':').expect("a tag");
    let path = format!("/commit?container={id}&repo={repository}&tag={tag}");
    let made = daemon.http().post(&path).expect(201).json();
    daemon.remove(&id);
    made["Id"].as_str().expect("an id").to_owned()
}

/// Three images, each made of the one before it.
fn family(daemon: &Daemon) -> ([String; 3], [String; 3]) {
    let mark = name();
    let tags = ["one", "two", "three"].map(|tag| format!("{mark}:{tag}"));
    let one = commit(daemon, IMAGE, &tags[0]);
    let two = commit(daemon, &tags[0], &tags[1]);
    let three = commit(daemon, &tags[1], &tags[2]);
    (tags, [one, two, three])
}

fn image(daemon: &Daemon, id: &str) -> Value {
    daemon.http().get(&format!("/images/{id}/json")).expect(200).json()
}

fn is_there(daemon: &Daemon, id: &str) -> bool {
    daemon.http().get(&format!("/images/{id}/json")).status == 200
}

/// The ids in a list of images, of those given.
fn listed<'a>(daemon: &Daemon, query: &str, ids: &'a [String]) -> Vec<&'a str> {
    let all = daemon.http().get(&format!("/images/json{query}")).expect(200).json();
    let all = all.as_array().expect("a list").clone();
    let is_listed = |id: &&String| all.iter().any(|image| image["Id"] == **id);
    ids.iter().filter(is_listed).map(String::as_str).collect()
}

/// What an answer of a removal says, in its order.
fn gone(answer: &Value) -> Vec<String> {
    let texts = answer.as_array().expect("a list").iter().map(|item| {
        let text = item["Untagged"].as_str().or(item["Deleted"].as_str());
        text.expect("one of both").to_owned()
    });
    texts.collect()
}

#[test]
fn an_image_knows_what_it_was_made_of() {
    let daemon = Daemon::start();
    let (tags, ids) = family(&daemon);
    let base = image(&daemon, IMAGE)["Id"].clone();
    assert_eq!(image(&daemon, &ids[0])["Parent"], base);
    assert_eq!(image(&daemon, &ids[2])["Parent"], ids[1]);
    let history = daemon.http().get(&format!("/images/{}/history", tags[2])).expect(200).json();
    let steps = history.as_array().expect("steps");
    let shown: Vec<&Value> = steps.iter().take(4).map(|step| &step["Id"]).collect();
    assert_eq!(shown, [&json!(ids[2]), &json!(ids[1]), &json!(ids[0]), &base]);
    assert_eq!(history[1]["Tags"], json!([tags[1]]));
    let all = daemon.http().get("/images/json").expect(200).json();
    let of_list = all.as_array().expect("a list").iter().find(|image| image["Id"] == ids[1]);
    assert_eq!(of_list.expect("listed")["ParentId"], ids[0]);
    for tag in tags.iter().rev() {
        daemon.http().delete(&format!("/images/{tag}")).expect(200);
    }
    assert!(is_there(&daemon, IMAGE));
}

#[test]
fn an_image_that_others_are_made_of_is_kept() {
    let daemon = Daemon::start();
    let (tags, ids) = family(&daemon);
    for force in [0, 1] {
        let answer = daemon.http().delete(&format!("/images/{}?force={force}", ids[1]));
        let short = &ids[1]["sha256:".len()..][..12];
        assert_eq!(
            answer.expect(409).message(),
            format!(
                "conflict: unable to delete {short} (cannot be forced) - image has dependent child \
                 images"
            )
        );
    }
    let answer = daemon.http().delete(&format!("/images/{}", tags[0])).expect(200).json();
    assert_eq!(gone(&answer), [tags[0].clone()], "the name alone");
    // Without a name it is one step on the way, shown to who asks for all.
    assert_eq!(listed(&daemon, "", &ids), [&ids[1], &ids[2]]);
    assert_eq!(listed(&daemon, "?all=1", &ids), [&ids[0], &ids[1], &ids[2]]);
    let dangling = "filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D";
    assert!(listed(&daemon, &format!("?{dangling}"), &ids).is_empty());
    assert!(listed(&daemon, &format!("?all=1&{dangling}"), &ids).is_empty());
    let pruned = daemon.http().post("/images/prune").expect(200).json();
    let pruned = pruned["ImagesDeleted"].to_string();
    assert!(!ids.iter().any(|id| pruned.contains(id)), "{pruned}");
    daemon.http().delete(&format!("/images/{}", tags[2])).expect(200);
    daemon.http().delete(&format!("/images/{}", tags[1])).expect(200);
    assert!(!ids.iter().any(|id| is_there(&daemon, id)));
}

#[test]
fn what_nobody_needs_goes_with_the_last_child() {
    let daemon = Daemon::start();
    let (tags, ids) = family(&daemon);
    for tag in &tags[..2] {
        daemon.http().delete(&format!("/images/{tag}")).expect(200);
    }
    let answer = daemon.http().delete(&format!("/images/{}", tags[2])).expect(200).json();
    let expected = [&tags[2], &ids[2], &ids[1], &ids[0]].map(Clone::clone);
    assert_eq!(gone(&answer), expected);
    let (tags, ids) = family(&daemon);
    daemon.http().delete(&format!("/images/{}", tags[1])).expect(200);
    let path = format!("/images/{}?noprune=1", tags[2]);
    let answer = daemon.http().delete(&path).expect(200).json();
    assert_eq!(gone(&answer), [tags[2].clone(), ids[2].clone()]);
    assert!(is_there(&daemon, &ids[1]) && is_there(&daemon, &ids[0]));
    let answer = daemon.http().delete(&format!("/images/{}", ids[1])).expect(200).json();
    assert_eq!(gone(&answer), [ids[1].clone()], "the next one has a name");
    daemon.http().delete(&format!("/images/{}", tags[0])).expect(200);
}

#[test]
fn a_container_keeps_the_step_that_it_was_made_of() {
    let daemon = Daemon::start();
    let (tags, ids) = family(&daemon);
    let id = daemon.create(&json!({ "Image": tags[0], "Cmd": ["true"] }));
    daemon.http().delete(&format!("/images/{}?force=1", tags[0])).expect(200);
    daemon.http().delete(&format!("/images/{}", tags[1])).expect(200);
    let answer = daemon.http().delete(&format!("/images/{}", tags[2])).expect(200).json();
    assert_eq!(gone(&answer), [tags[2].clone(), ids[2].clone(), ids[1].clone()]);
    assert!(is_there(&daemon, &ids[0]));
    daemon.remove(&id);
    daemon.http().delete(&format!("/images/{}", ids[0])).expect(200);
}

#[test]
fn a_saved_family_is_one_when_it_is_loaded() {
    let daemon = Daemon::start();
    let (tags, ids) = family(&daemon);
    let save = |tags: &[&String]| {
        let names: Vec<String> = tags.iter().map(|tag| format!("names={tag}")).collect();
        daemon.http().get(&format!("/images/get?{}", names.join("&"))).expect(200).body
    };
    let (whole, gap) = (save(&[&tags[1], &tags[2], &tags[0]]), save(&[&tags[0], &tags[2]]));
    let load = |archive: &[u8]| {
        for tag in tags.iter().rev() {
            daemon.http().delete(&format!("/images/{tag}?force=1"));
        }
        let kind = [("Content-Type", "application/x-tar")];
        daemon.http().send("POST", "/images/load?quiet=1", &kind, archive).expect(200);
    };
    load(&whole);
    assert_eq!(image(&daemon, &ids[2])["Parent"], ids[1]);
    assert_eq!(image(&daemon, &ids[1])["Parent"], ids[0]);
    // A parent that does not come along is not told.
    let is_orphan = |id: &str| image(&daemon, id)["Parent"].as_str().is_none_or(str::is_empty);
    assert!(is_orphan(&ids[0]));
    load(&gap);
    assert!(is_orphan(&ids[2]));
    for tag in [&tags[2], &tags[0]] {
        daemon.http().delete(&format!("/images/{tag}")).expect(200);
    }
}
