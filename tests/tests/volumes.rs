//! Volumes: made, listed, mounted, filled from the image, kept while in use, removed.

use std::time::{SystemTime, UNIX_EPOCH};

use harness::{Daemon, IMAGE, escaped, name};
use serde_json::{Value, json};

fn encoded(value: &Value) -> String {
    escaped(&value.to_string())
}

/// A volume of the test's own; removed with the value.
struct Volume<'a> {
    daemon: &'a Daemon,
    name: String,
}

impl<'a> Volume<'a> {
    #[track_caller]
    fn new(daemon: &'a Daemon, body: Value) -> Self {
        let mut body = body;
        let name = name();
        body["Name"] = json!(name);
        daemon.http().post_json("/volumes/create", &body).expect(201);
        Self { daemon, name }
    }

    fn on(&self, rest: &str) -> Value {
        json!({ "HostConfig": { "Binds": [format!("{}:{rest}", self.name)] } })
    }
}

impl Drop for Volume<'_> {
    fn drop(&mut self) {
        self.daemon.http().delete(&format!("/volumes/{}?force=1", self.name));
    }
}

/// Names of the volumes that the filters choose.
#[track_caller]
fn listed(daemon: &Daemon, filters: &Value) -> Vec<String> {
    let path = format!("/volumes?filters={}", encoded(filters));
    let answer = daemon.http().get(&path).expect(200).json();
    assert_eq!(answer["Warnings"], Value::Null);
    let volumes = answer["Volumes"].as_array().expect("a list").iter();
    volumes.map(|volume| volume["Name"].as_str().expect("a name").to_owned()).collect()
}

/// Route: POST /volumes/create
/// Route: GET /volumes/{id}
/// Route: DELETE /volumes/{id}
#[test]
fn is_made_once_and_inspected() {
    let daemon = Daemon::start();
    let http = daemon.http();
    let volume = Volume::new(&daemon, json!({ "Labels": { "a": "b" } }));
    let seen = http.get(&format!("/volumes/{}", volume.name)).expect(200).json();
    assert_eq!(seen["Name"], volume.name);
    assert_eq!((&seen["Driver"], &seen["Scope"]), (&json!("local"), &json!("local")));
    assert_eq!((&seen["Labels"], &seen["Options"]), (&json!({ "a": "b" }), &Value::Null));
    assert!(seen["UsageData"].is_null());
    let mountpoint = seen["Mountpoint"].as_str().expect("a path");
    assert!(mountpoint.ends_with(&format!("/volumes/{}/_data", volume.name)), "{mountpoint}");
    let created = seen["CreatedAt"].as_str().expect("a time");
    assert!(created.ends_with('Z') && created.len() == 20, "{created}");
    let body = json!({ "Name": volume.name, "Labels": { "a": "c" } });
    assert_eq!(http.post_json("/volumes/create", &body).expect(201).json(), seen);

    let unnamed = http.post_json("/volumes/create", &json!({})).expect(201).json();
    let unnamed_name = unnamed["Name"].as_str().expect("a name");
    assert_eq!(unnamed_name.len(), 64);
    assert_eq!(unnamed["Labels"], json!({ "com.docker.volume.anonymous": "" }));
    http.delete(&format!("/volumes/{unnamed_name}")).expect(204);
    let gone = http.get(&format!("/volumes/{unnamed_name}")).expect(404).message();
    assert_eq!(gone, format!("get {unnamed_name}: no such volume"));
    http.delete(&format!("/volumes/{unnamed_name}")).expect(404);
    http.delete(&format!("/volumes/{unnamed_name}?force=1")).expect(204);
}

#[test]
fn wrong_names_drivers_and_options_are_refused() {
    let daemon = Daemon::start();
    for (body, status, text) in [
        (json!({ "Name": "a" }), 400, "create a: volume name is too short"),
        (json!({ "Name": "a/b" }), 400, "\"a/b\" includes invalid characters"),
        (json!({ "Name": "..", }), 400, "includes invalid characters for a local volume name"),
        (json!({ "Name": "-ab" }), 400, "includes invalid characters"),
        (json!({ "Name": "jtx", "Driver": "no" }), 404, "plugin \"no\" not found"),
        (json!({ "Name": "jtx", "DriverOpts": { "x": "" } }), 400, "invalid option: \"x\""),
        (
            json!({ "Name": "jtx", "DriverOpts": { "type": "tmpfs" } }),
            400,
            "missing required option: \"device\"",
        ),
        (json!({ "ClusterVolumeSpec": {} }), 503, "not a swarm manager"),
    ] {
        let answer = daemon.http().post_json("/volumes/create", &body).expect(status);
        assert!(answer.message().contains(text), "{body}: {}", answer.message());
    }
    for filters in [json!({ "x": ["y"] }), json!({ "dangling": ["x"] })] {
        daemon.http().get(&format!("/volumes?filters={}", encoded(&filters))).expect(400);
    }
    let all = encoded(&json!({ "all": ["x"] }));
    daemon.http().post(&format!("/volumes/prune?filters={all}")).expect(400);
}

/// Route: GET /volumes
#[test]
fn is_listed_with_filters() {
    let daemon = Daemon::start();
    let mark = name();
    let one = Volume::new(&daemon, json!({ "Labels": { "mark": mark } }));
    let two = Volume::new(&daemon, json!({ "Labels": { "mark": mark } }));
    let id = daemon.create(&one.on("/x"));
    let label = format!("mark={mark}");
    let mut both = listed(&daemon, &json!({ "label": [label], "driver": ["local"] }));
    both.sort();
    let mut names = vec![one.name.clone(), two.name.clone()];
    names.sort();
    assert_eq!(both, names);
    let of = |dangling: &str| listed(&daemon, &json!({ "label": [label], "dangling": [dangling] }));
    assert_eq!((of("true"), of("0")), (vec![two.name.clone()], vec![one.name.clone()]));
    let named = listed(&daemon, &json!({ "name": [format!("^{}$", one.name)] }));
    assert_eq!(named, [one.name.as_str()]);
    assert!(listed(&daemon, &json!({ "driver": ["other"] })).is_empty());
    daemon.remove(&id);
}

#[test]
fn keeps_data_and_is_kept_while_in_use() {
    let daemon = Daemon::start();
    let volume = Volume::new(&daemon, json!({}));
    daemon.sh(&volume.on("/data"), "echo kept > /data/file");
    let mut body = volume.on("/data:ro");
    assert_eq!(daemon.sh(&body, "cat /data/file; ! touch /data/x 2>/dev/null").trim(), "kept");
    body["Cmd"] = json!(["true"]);
    let id = daemon.create(&body);
    let path = format!("/volumes/{}", volume.name);
    for path in [path.clone(), format!("{path}?force=1")] {
        let refused = daemon.http().delete(&path).expect(409).message();
        assert_eq!(refused, format!("remove {}: volume is in use - [{id}]", volume.name));
    }
    let mount = daemon.inspect(&id)["Mounts"][0].clone();
    assert_eq!(mount["Type"], "volume");
    assert_eq!(mount["Name"], volume.name);
    assert_eq!(mount["Destination"], "/data");
    assert_eq!((&mount["Driver"], &mount["Mode"]), (&json!("local"), &json!("ro")));
    assert_eq!((&mount["RW"], &mount["Propagation"]), (&json!(false), &json!("")));
    let seen = daemon.http().get(&path).expect(200).json();
    assert_eq!(mount["Source"], seen["Mountpoint"]);
    daemon.remove(&id);
    daemon.http().delete(&path).expect(204);
}

#[test]
fn is_filled_from_the_image_on_first_use() {
    let daemon = Daemon::start();
    let count = "ls -A /etc | grep -vE '^(hostname|hosts|resolv.conf|mtab)$' | wc -l";
    let images: usize = daemon.sh(&json!({}), count).trim().parse().expect("a number");
    assert!(images > 0);
    for (options, wanted) in [("", images), (":ro", images), (":nocopy", 0)] {
        let volume = Volume::new(&daemon, json!({}));
        let body = volume.on(&format!("/etc{options}"));
        assert_eq!(daemon.sh(&body, count).trim(), wanted.to_string(), "{options}");
    }
    let volume = Volume::new(&daemon, json!({}));
    daemon.sh(&volume.on("/data"), "echo own > /data/own");
    assert_eq!(daemon.sh(&volume.on("/etc"), count).trim(), "1", "only an empty one is filled");
}

#[test]
fn mounts_make_volumes_with_labels_and_subpaths() {
    let daemon = Daemon::start();
    let called = name();
    let mount = |options: Value| {
        json!({ "HostConfig": { "Mounts": [{ "Type": "volume", "Source": called, "Target": "/v",
            "VolumeOptions": options }] } })
    };
    let body = mount(json!({ "Labels": { "l": "v" }, "NoCopy": true }));
    daemon.sh(&body, "mkdir -p /v/a/b; echo deep > /v/a/b/f; ln -s /etc /v/link");
    let seen = daemon.http().get(&format!("/volumes/{called}")).expect(200).json();
    assert_eq!(seen["Labels"], json!({ "l": "v" }));
    assert_eq!(daemon.sh(&mount(json!({ "Subpath": "a/b" })), "cat /v/f").trim(), "deep");
    let mut missing = mount(json!({ "Subpath": "nope" }));
    missing["Cmd"] = json!(["true"]);
    let id = daemon.create(&missing);
    let refused = daemon.http().post(&format!("/containers/{id}/start"));
    assert!(refused.status >= 400, "{}", refused.status);
    assert!(refused.message().contains("cannot access path"), "{}", refused.message());
    daemon.remove(&id);
    let mut link = mount(json!({ "Subpath": "link" }));
    link["Cmd"] = json!(["true"]);
    let id = daemon.create(&link);
    let refused = daemon.http().post(&format!("/containers/{id}/start"));
    assert!(refused.status >= 400, "a link must not lead out of the volume");
    daemon.remove(&id);
    for (options, text) in [
        (json!({ "Subpath": "../x" }), "subpath must be a relative path within the volume"),
        (json!({ "Subpath": "/x" }), "subpath must be a relative path within the volume"),
        (json!({ "DriverConfig": { "Name": "no" } }), ""),
    ] {
        let mut body = mount(options);
        body["Cmd"] = json!(["true"]);
        if text.is_empty() {
            body["HostConfig"]["Mounts"][0]["Source"] = json!(name());
            assert!(daemon.try_create(&body).expect(404).message().contains("plugin \"no\""));
        } else {
            assert!(daemon.try_create(&body).expect(400).message().contains(text));
        }
    }
    daemon.http().delete(&format!("/volumes/{called}")).expect(204);
}

#[test]
fn anonymous_ones_go_with_their_container_when_asked() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["true"], "Volumes": { "/one": {} },
        "HostConfig": { "Mounts": [{ "Type": "volume", "Target": "/two" }] } });
    let volumes_of = |id: &str| -> Vec<String> {
        let mounts = daemon.inspect(id)["Mounts"].clone();
        let mounts = mounts.as_array().expect("a list").iter();
        mounts.map(|mount| mount["Name"].as_str().expect("a name").to_owned()).collect()
    };
    let id = daemon.create(&body);
    let names = volumes_of(&id);
    assert_eq!(names.len(), 2);
    for name in &names {
        assert_eq!(name.len(), 64);
        let seen = daemon.http().get(&format!("/volumes/{name}")).expect(200).json();
        // dockerd forgets to mark those of `Mounts`.
        if !daemon.is_reference() || !seen["Labels"].is_null() {
            assert_eq!(seen["Labels"], json!({ "com.docker.volume.anonymous": "" }));
        }
    }
    daemon.http().delete(&format!("/containers/{id}?v=1")).expect(204);
    for name in &names {
        daemon.http().get(&format!("/volumes/{name}")).expect(404);
    }
    let id = daemon.create(&body);
    let names = volumes_of(&id);
    daemon.http().delete(&format!("/containers/{id}")).expect(204);
    for name in &names {
        daemon.http().delete(&format!("/volumes/{name}")).expect(204);
    }
    let kept = Volume::new(&daemon, json!({}));
    let mut body = body;
    body["HostConfig"]["AutoRemove"] = json!(true);
    body["HostConfig"]["Binds"] = json!([format!("{}:/three", kept.name)]);
    let id = daemon.create(&body);
    let names = volumes_of(&id);
    daemon.http().post(&format!("/containers/{id}/start")).expect(204);
    daemon.http().post(&format!("/containers/{id}/wait?condition=removed"));
    for name in names {
        let status = if name == kept.name { 200 } else { 404 };
        daemon.http().get(&format!("/volumes/{name}")).expect(status);
    }
}

#[test]
fn is_taken_from_another_container() {
    let daemon = Daemon::start();
    let volume = Volume::new(&daemon, json!({}));
    let mut body = volume.on("/data");
    body["Cmd"] = json!(["true"]);
    body["Volumes"] = json!({ "/anonymous": {} });
    let first = daemon.create(&body);
    let from = |spec: String| json!({ "HostConfig": { "VolumesFrom": [spec] } });
    daemon.sh(&from(first.clone()), "echo shared > /data/f; echo too > /anonymous/f");
    let read = "cat /data/f /anonymous/f; touch /data/x 2>/dev/null || echo refused";
    let said = daemon.sh(&from(format!("{first}:ro")), read);
    assert_eq!(said.lines().collect::<Vec<_>>(), ["shared", "too", "refused"]);
    for (spec, text) in [
        ("jt-nobody".to_owned(), "No such container: jt-nobody"),
        (format!("{first}:bad"), "invalid mode: bad"),
        (String::new(), "volumes-from specification cannot be an empty string"),
    ] {
        let mut body = from(spec);
        body["Cmd"] = json!(["true"]);
        assert_eq!(daemon.try_create(&body).expect(400).message(), text);
    }
    daemon.remove(&first);
}

#[test]
fn a_directory_of_the_host_is_one_by_its_options() {
    let daemon = Daemon::start();
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("file"), "of the host").expect("a file");
    let options = json!({ "type": "none", "device": directory.path(), "o": "bind" });
    let volume = Volume::new(&daemon, json!({ "DriverOpts": options }));
    assert_eq!(daemon.sh(&volume.on("/v"), "cat /v/file"), "of the host");
    let options = json!({ "type": "none", "device": "/nowhere/at/all", "o": "bind" });
    let volume = Volume::new(&daemon, json!({ "DriverOpts": options }));
    let mut body = volume.on("/v");
    body["Cmd"] = json!(["true"]);
    let id = daemon.create(&body);
    let refused = daemon.http().post(&format!("/containers/{id}/start"));
    assert!(refused.message().contains("failed to mount local volume"), "{}", refused.message());
    daemon.remove(&id);
}

/// Route: POST /volumes/prune
#[test]
fn prune_takes_what_nobody_has() {
    let Some(daemon) = Daemon::ours() else { return };
    let http = daemon.http();
    let used = Volume::new(&daemon, json!({}));
    let named = Volume::new(&daemon, json!({ "Labels": { "keep": "" } }));
    daemon.sh(&named.on("/v"), "head -c 5000 /dev/zero > /v/f");
    let mut body = used.on("/v");
    body["Cmd"] = json!(["true"]);
    let id = daemon.create(&body);
    let unnamed = http.post_json("/volumes/create", &json!({})).expect(201).json();
    let report = http.post("/volumes/prune").expect(200).json();
    assert_eq!(report, json!({ "VolumesDeleted": [unnamed["Name"]], "SpaceReclaimed": 0 }));
    let filters = encoded(&json!({ "all": ["true"], "label!": ["keep"] }));
    let report = http.post(&format!("/volumes/prune?filters={filters}")).expect(200).json();
    assert_eq!(report["VolumesDeleted"], json!([]));
    let report = http.post("/v1.41/volumes/prune").expect(200).json();
    assert_eq!(report, json!({ "VolumesDeleted": [named.name], "SpaceReclaimed": 5000 }));
    daemon.remove(&id);
}

#[test]
fn tells_what_happens_to_it() {
    let daemon = Daemon::start();
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let volume = Volume::new(&daemon, json!({}));
    daemon.sh(&volume.on("/v"), "true");
    daemon.http().delete(&format!("/volumes/{}", volume.name)).expect(204);
    let only = encoded(&json!({ "volume": [volume.name] }));
    let path = format!("/events?since={begin}&until={}&filters={only}", begin + 3);
    let events = daemon.http().get(&path).expect(200).json_lines();
    let actions: Vec<_> = events.iter().map(|event| event["Action"].as_str()).collect();
    assert_eq!(actions, [Some("create"), Some("mount"), Some("unmount"), Some("destroy")]);
    for event in &events {
        assert_eq!(event["Type"], "volume");
        assert_eq!(event["Actor"]["ID"], volume.name);
        assert_eq!(event["Actor"]["Attributes"]["driver"], "local");
    }
    let mount = &events[1]["Actor"]["Attributes"];
    assert_eq!(mount["destination"], "/v");
    assert_eq!((&mount["read/write"], &mount["propagation"]), (&json!("true"), &json!("")));
}

#[test]
fn outlives_the_daemon() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let called = name();
    let body = json!({ "Name": called, "Labels": { "a": "b" } });
    let before = daemon.http().post_json("/volumes/create", &body).expect(201).json();
    let bind = json!({ "HostConfig": { "Binds": [format!("{called}:/v")] } });
    daemon.sh(&bind, "echo kept > /v/f");
    let mut held = bind.clone();
    held["Cmd"] = json!(["true"]);
    let id = daemon.create(&held);
    daemon.kill9();
    daemon.start_again(&harness::daemon::Options::new());
    let path = format!("/volumes/{called}");
    assert_eq!(daemon.http().get(&path).expect(200).json(), before);
    assert_eq!(daemon.sh(&bind, "cat /v/f").trim(), "kept");
    daemon.http().delete(&path).expect(409);
    daemon.remove(&id);
    daemon.http().delete(&path).expect(204);
}

#[test]
fn the_cli_goes_through_a_volume_s_life() {
    let daemon = Daemon::start();
    let called = name();
    assert_eq!(daemon.docker(&["volume", "create", "--label", "a=b", &called]).ok(), called);
    let bind = format!("{called}:/v");
    let run = ["run", "--rm", "--network", "none", "-v", &bind, IMAGE, "sh", "-c", "echo x > /v/f"];
    daemon.docker(&run).ok();
    let mount = format!("type=volume,src={called},dst=/v,readonly");
    let run = ["run", "--rm", "--network", "none", "--mount", &mount, IMAGE, "cat", "/v/f"];
    assert_eq!(daemon.docker(&run).ok(), "x");
    let ls = ["volume", "ls", "-q", "--filter", &format!("name={called}")];
    assert_eq!(daemon.docker(&ls).ok(), called);
    let format = "{{.Driver}} {{index .Labels \"a\"}}";
    let inspect = ["volume", "inspect", "--format", format, &called];
    assert_eq!(daemon.docker(&inspect).ok(), "local b");
    assert_eq!(daemon.docker(&["volume", "rm", &called]).ok(), called);
    let said = daemon.docker(&["volume", "rm", &called]).fails(1);
    assert!(said.contains("no such volume"), "{said}");
}

/// A link put on the way to a subpath between look-up and mount must not lead to the host.
#[test]
fn a_subpath_stays_inside_whoever_exchanges_it() {
    const STARTS: usize = 12;
    let daemon = Daemon::start();
    let volume = Volume::new(&daemon, json!({}));
    daemon.sh(
        &volume.on("/v"),
        "mkdir -p /v/real/b /v/etc/b; echo inside >/v/real/b/f; echo inside >/v/etc/b/f",
    );
    let mut exchanger = volume.on("/v");
    // What is "a" on the way is a directory, then a link to /etc, and again.
    exchanger["Cmd"] = json!([
        "sh",
        "-c",
        "cd /v; mkdir a; while :; do mv -T a d; ln -s /etc a; rm a; mv -T d a; usleep 3000; done"
    ]);
    exchanger["StopSignal"] = json!("SIGKILL");
    let exchanger = daemon.launch(&exchanger);
    let mut body = json!({ "HostConfig": { "Mounts": [{
        "Type": "volume", "Source": volume.name, "Target": "/part",
        "VolumeOptions": { "Subpath": "a" } }] } });
    body["Cmd"] =
        json!(["sh", "-c", "ls -a /part; test ! -e /part/passwd && test ! -e /part/hostname"]);
    let mut mounted = 0;
    for _ in 0..STARTS {
        let id = daemon.create(&body);
        // It may be missing at that moment.
        if daemon.http().post(&format!("/containers/{id}/start")).status == 204 {
            mounted += 1;
            assert_eq!(daemon.wait(&id), 0, "{:?}", daemon.logs(&id));
        }
        daemon.remove(&id);
    }
    daemon.remove(&exchanger);
    assert!(mounted > 0, "it was there at times");
    // Without anybody in the way: two containers at once, one above the other.
    let part = |subpath: &str| {
        json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL", "HostConfig": { "Mounts": [{
            "Type": "volume", "Source": volume.name, "Target": "/v",
            "VolumeOptions": { "Subpath": subpath } }] } })
    };
    let above = daemon.launch(&part("real"));
    let id = daemon.launch(&part("real/b"));
    assert_eq!(daemon.exec(&id, &["cat", "/v/f"]).1.stdout, "inside\n");
    daemon.remove(&above);
    daemon.remove(&id);
}
