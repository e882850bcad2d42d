//! How much of the disk everything takes: `docker system df`, and sizes in other answers.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{env, fs};

use harness::image::{self, Compression, Files, Flavour, Image};
use harness::{Daemon, name};
use serde_json::{Value, json};

fn usage(daemon: &Daemon, query: &str) -> Value {
    daemon.http().get(&format!("/v1.45/system/df{query}")).expect(200).json()
}

fn of<'a>(list: &'a Value, key: &str, value: &str) -> &'a Value {
    let all = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    let found = all.iter().find(|item| item[key] == value);
    found.unwrap_or_else(|| panic!("no {key} {value} in {list}"))
}

/// What du(1) counts with `--apparent-size`, of files alone: each inode once.
fn du(directory: &Path) -> u64 {
    let (mut seen, mut sum, mut waiting) = (BTreeSet::new(), 0, vec![directory.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).expect("readdir").flatten() {
            let stat = entry.metadata().expect("stat");
            if stat.is_dir() {
                waiting.push(entry.path());
            } else if seen.insert(stat.ino()) {
                sum += stat.len();
            }
        }
    }
    sum
}

/// Route: GET /system/df
#[test]
fn everything_is_counted() {
    let daemon = Daemon::start();
    let mark = name();
    let layer = Files::new().file("mark", 0o644, mark.as_bytes()).layer(Compression::Plain);
    let base = image::busybox_files().file("base", 0o644, mark.as_bytes()).layer(Compression::Gzip);
    let settings = json!({ "Cmd": ["true"] });
    let low = Image::new(Flavour::Oci, vec![base.clone()], &settings);
    let high = Image::new(Flavour::Oci, vec![base, layer], &settings);
    let kind = [("Content-Type", "application/x-tar")];
    for (image, tag) in [(&low, "low"), (&high, "high")] {
        let archive = image.archive(&format!("{mark}:{tag}"));
        daemon.http().send("POST", "/images/load", &kind, &archive).expect(200);
    }
    let volume = name();
    let id = daemon.launch(&json!({
        "Image": format!("{mark}:high"),
        "Cmd": ["sh", "-c", "echo 12345 >/a; ln /a /b; echo 123 >/v/f"],
        "HostConfig": { "Binds": [format!("{volume}:/v")] },
    }));
    assert_eq!(daemon.wait(&id), 0);

    let all = usage(&daemon, "");
    let (one, two) = (of(&all["Images"], "Id", &low.id()), of(&all["Images"], "Id", &high.id()));
    assert_eq!((&one["Containers"], &two["Containers"]), (&json!(0), &json!(1)));
    assert_eq!((&one["SharedSize"], &two["SharedSize"]), (&one["Size"], &one["Size"]));
    let extra = two["Size"].as_u64().expect("a size") - one["Size"].as_u64().expect("a size");
    assert_eq!(extra, mark.len() as u64);
    assert!(all["LayersSize"].as_u64() >= two["Size"].as_u64());
    let container = of(&all["Containers"], "Id", &id);
    assert!(
        container["SizeRw"].as_u64().is_some_and(|size| (6..40).contains(&size)),
        "{container}"
    );
    let root = container["SizeRootFs"].as_u64().expect("a size");
    assert!(root >= two["Size"].as_u64().expect("a size"));
    let seen = of(&all["Volumes"], "Name", &volume);
    assert_eq!(seen["UsageData"], json!({ "RefCount": 1, "Size": 4 }));
    assert_eq!(all["BuildCache"], json!([]));

    let inspected = daemon.http().get(&format!("/containers/{id}/json?size=1")).expect(200).json();
    assert_eq!(
        (&inspected["SizeRw"], &inspected["SizeRootFs"]),
        (&container["SizeRw"], &json!(root))
    );
    if !daemon.is_reference() {
        let upper = inspected["GraphDriver"]["Data"]["UpperDir"].as_str().expect("a path");
        assert_eq!(inspected["SizeRw"], du(Path::new(upper)));
        assert_eq!(
            seen["UsageData"]["Size"],
            du(&daemon.data_root().join(format!("volumes/{volume}/_data")))
        );
    }
    let listed =
        daemon.docker(&["ps", "-a", "-s", "--no-trunc", "--format", "{{.ID}} {{.Size}}"]).ok();
    assert!(
        listed.lines().any(|line| line.starts_with(&id) && line.contains("virtual")),
        "{listed}"
    );
    let df = daemon.docker(&["system", "df", "-v"]).ok();
    assert!(df.contains(&volume) && df.contains("Build cache usage: 0B"), "{df}");
    daemon.docker(&["system", "df"]).ok();
    daemon.remove(&id);
    assert_eq!(of(&usage(&daemon, "")["Volumes"], "Name", &volume)["UsageData"]["RefCount"], 0);
    daemon.http().delete(&format!("/volumes/{volume}")).expect(204);
    for tag in ["low", "high"] {
        daemon.http().delete(&format!("/images/{mark}:{tag}")).expect(200);
    }
}

#[test]
fn only_what_is_asked_for() {
    let daemon = Daemon::start();
    let some = usage(&daemon, "?type=container&type=volume");
    assert_eq!((&some["LayersSize"], &some["Images"]), (&json!(0), &Value::Null));
    assert!(some["Containers"].is_array() && some["Volumes"].is_array());
    assert_eq!(some["BuildCache"], Value::Null);
    let wrong = daemon.http().get("/system/df?type=foo").expect(400).message();
    assert_eq!(wrong, "unknown object type: foo");
}

#[test]
fn newer_clients_get_sums() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.sleeper();
    let sums = daemon.http().get("/v1.52/system/df").expect(200).json();
    assert_eq!(sums["ContainerUsage"]["ActiveCount"], 1);
    assert_eq!(sums["ImageUsage"]["TotalCount"].as_u64().map(|count| count > 0), Some(true));
    assert!(sums.get("Images").is_none() && sums["ImageUsage"].get("Items").is_none());
    let verbose = daemon.http().get("/v1.52/system/df?verbose=1").expect(200).json();
    assert_eq!(verbose["ContainerUsage"]["Items"][0]["Id"], id);
}

#[test]
fn manifests_are_told_to_who_asks() {
    let Some(daemon) = Daemon::ours() else { return };
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    let list = |path: &str| daemon.http().get(path).expect(200).json();
    let asked = list("/v1.47/images/json?manifests=1");
    let image = of(&asked, "Id", &Image::busybox().id());
    let manifest = &image["Manifests"][0];
    assert_eq!(manifest["ID"], Image::busybox().manifest_digest());
    assert_eq!((&manifest["Kind"], &manifest["Available"]), (&json!("image"), &json!(true)));
    assert_eq!(manifest["ImageData"]["Containers"], json!([id]));
    let (content, unpacked) =
        (&manifest["Size"]["Content"], &manifest["ImageData"]["Size"]["Unpacked"]);
    assert_eq!(unpacked, &image["Size"]);
    let sum = content.as_i64().expect("a size") + unpacked.as_i64().expect("a size");
    assert_eq!(manifest["Size"]["Total"], sum);
    for path in ["/v1.47/images/json", "/v1.46/images/json?manifests=1"] {
        assert!(list(path)[0].get("Manifests").is_none(), "{path}");
    }
}

/// With many images the list stays fast: nothing is read from disk for each of them.
#[test]
fn many_images_are_listed_fast() {
    let Some(daemon) = Daemon::ours() else { return };
    let count: usize = env::var("JOCKER_IMAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    for number in 0..count {
        let path =
            format!("/images/create?fromSrc=-&repo=many&tag=t{number}&changes=ENV+N%3D{number}");
        let tar = Files::new().file("f", 0o644, number.to_string().as_bytes()).finish();
        daemon.http().send("POST", &path, &[("Content-Type", "text/plain")], &tar).expect(200);
    }
    let start = std::time::Instant::now();
    let list = daemon.http().get("/images/json?shared-size=1").expect(200).json();
    let took = start.elapsed();
    eprintln!("{count} images in {took:?}");
    assert!(list.as_array().is_some_and(|list| list.len() > count));
    assert!(took.as_millis() < 500, "{took:?}");
}
