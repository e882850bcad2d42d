//! Images of containers and of archives: `docker commit`, `docker import`.

use std::fs;
use std::io::Read;
use std::io::Write as _;
use std::time::Duration;

use harness::audit::pids_of_container;
use harness::debian_registry::skopeo;
use harness::image::{self, Files};
use harness::registry::Registry;
use harness::{Answer, Daemon, IMAGE, escaped, eventually, name};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

fn commit(daemon: &Daemon, id: &str, rest: &str) -> Answer {
    daemon.http().post(&format!("/commit?container={id}{rest}"))
}

fn changes(list: &[&str]) -> String {
    list.iter().map(|change| format!("&changes={}", escaped(change))).collect()
}

fn inspect(daemon: &Daemon, name: &str) -> Value {
    daemon.http().get(&format!("/images/{name}/json")).expect(200).json()
}

fn remove(daemon: &Daemon, name: &str) {
    daemon.http().delete(&format!("/images/{name}?force=1")).expect(200);
}

/// A container that has run the script.
fn ran(daemon: &Daemon, script: &str) -> String {
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script], "Env": ["A=1"] }));
    assert_eq!(daemon.wait(&id), 0);
    id
}

/// Route: POST /commit
#[test]
fn a_container_becomes_an_image() {
    let daemon = Daemon::start();
    let mark = name();
    let id = ran(
        &daemon,
        "rm /etc/group; echo new >/n; chmod 4711 /n; mkdir -p /d/e; rm -r /usr; mkdir /usr; \
         ln -s n /l; ln /n /h; mkfifo /p; chown 5:6 /d",
    );
    let said = format!("&repo={mark}&tag=v1&comment=why&author=me");
    let change = changes(&["CMD [\"cat\", \"/n\"]", "ENV B=$A"]);
    let answer = commit(&daemon, &id, &format!("{said}{change}")).expect(201).json();
    let tag = format!("{mark}:v1");
    let seen = inspect(&daemon, &tag);
    assert_eq!(seen["Id"], answer["Id"]);
    assert_eq!((&seen["Comment"], &seen["Author"]), (&json!("why"), &json!("me")));
    assert_eq!(seen["Config"]["Cmd"], json!(["cat", "/n"]));
    let env = seen["Config"]["Env"].as_array().expect("a list");
    assert!(env.contains(&json!("B=1")) && env.contains(&json!("A=1")), "{env:?}");
    let base = inspect(&daemon, IMAGE);
    let layers = seen["RootFS"]["Layers"].as_array().expect("layers").clone();
    let below = base["RootFS"]["Layers"].as_array().expect("layers");
    assert_eq!((layers.len(), &layers[..below.len()]), (below.len() + 1, &below[..]));
    let history = daemon.http().get(&format!("/images/{tag}/history")).expect(200).json();
    assert_eq!(history[0]["Comment"], "why");
    assert!(history[0]["CreatedBy"].as_str().is_some_and(|by| by.starts_with("sh -c rm")));
    assert_eq!(daemon.sh(&json!({ "Image": tag }), "cat /n"), "new\n");
    let script = "ls /etc/group 2>&1; ls /usr; stat -c '%a %u %h' /n; stat -c %u /d; readlink /l; \
        test -p /p && echo fifo";
    let script = script.replace("stat -c '%a %u %h' /n", "ls -ln /n | cut -c1-16");
    let script = script.replace("stat -c %u /d", "ls -ldn /d | cut -c1-24");
    let there = daemon.sh(&json!({ "Image": tag }), &script);
    assert!(there.contains("No such file"), "{there}");
    assert!(there.contains("-rws--x--x    2 ") || there.contains("-rws--x--x 2"), "{there}");
    assert!(there.contains("fifo") && there.contains("\nn\n"), "{there}");
    daemon.remove(&id);
    remove(&daemon, &tag);
}

#[test]
fn the_body_s_configuration_is_filled_up() {
    let daemon = Daemon::start();
    let mark = name();
    let id = daemon.create(&json!({ "User": "5:7", "Labels": { "a": "own" }, "Cmd": ["true"] }));
    let body =
        json!({ "Cmd": ["new"], "Env": ["Q=1"], "Labels": { "l": "m" }, "WorkingDir": "/w" });
    let path = format!("/commit?container={id}&repo={mark}");
    let made = daemon.http().post_json(&path, &body).expect(201).json();
    let config = inspect(&daemon, &mark)["Config"].clone();
    assert_eq!((&config["User"], &config["Cmd"]), (&json!("5:7"), &json!(["new"])));
    assert_eq!(config["Labels"], json!({ "a": "own", "l": "m" }));
    assert_eq!((&config["Env"][0], &config["WorkingDir"]), (&json!("Q=1"), &json!("/w")));
    daemon.remove(&id);
    remove(&daemon, made["Id"].as_str().expect("an id"));
}

#[test]
fn a_running_container_stands_still_meanwhile() {
    let daemon = Daemon::start();
    let mark = name();
    let since = jiff::Timestamp::now().as_second();
    let id = daemon.sleeper();
    commit(&daemon, &id, &format!("&repo={mark}")).expect(201);
    commit(&daemon, &id, &format!("&repo={mark}&tag=x&pause=0")).expect(201);
    assert_eq!(daemon.inspect(&id)["State"]["Status"], "running");
    let until = jiff::Timestamp::now().as_second() + 1;
    let filters = escaped(&json!({ "container": [id], "type": ["container"] }).to_string());
    let path = format!("/events?since={since}&until={until}&filters={filters}");
    let events = daemon.http().get(&path).expect(200).json_lines();
    let actions: Vec<&str> = events.iter().filter_map(|event| event["Action"].as_str()).collect();
    assert_eq!(actions, ["create", "start", "pause", "commit", "unpause", "commit"]);
    let told = &events[3]["Actor"]["Attributes"];
    assert_eq!(told["imageRef"], format!("{mark}:latest"));
    daemon.remove(&id);
    remove(&daemon, &mark);
    remove(&daemon, &format!("{mark}:x"));
}

#[test]
fn a_commit_says_why_it_can_not() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    for (query, status, text) in [
        ("&changes=RUN+x", 400, "RUN is not a valid change command"),
        ("&changes=ENV+x", 400, "ENV must have two arguments"),
        ("&repo=x&tag=b%20d", 400, "invalid tag format"),
        ("&changes=STOPSIGNAL+FOO", 400, "invalid signal: FOO"),
    ] {
        assert_eq!(commit(&daemon, &id, query).expect(status).message(), text);
    }
    let missing = commit(&daemon, "nosuch", "").expect(404).message();
    assert_eq!(missing, "No such container: nosuch");
    daemon.http().post("/commit").expect(400);
    daemon.remove(&id);
}

/// The files of a container by name: kind, mode, owner, size or target.
fn listing(daemon: &Daemon, image: &str) -> String {
    let script = "find / -xdev ! -path '/etc/*' ! -path '/dev*' ! -path '/proc*' ! -path '/sys*' \
        -exec ls -ldn {} + | awk '{ $2 = \"\"; print }' | sort";
    let seen = daemon.sh(&json!({ "Image": image }), script);
    // The root's own time is that of the container.
    seen.lines().filter(|line| !line.ends_with(" /")).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_committed_stays_the_same_on_its_ways() {
    let daemon = Daemon::start();
    let mark = name();
    let tag = format!("{mark}:v1");
    let id = ran(&daemon, "echo new >/n; chmod 4711 /n; ln -s n /l; rm -r /home; mkdir /d");
    commit(&daemon, &id, &format!("&repo={mark}&tag=v1")).expect(201);
    let before = (inspect(&daemon, &tag), listing(&daemon, &tag));
    let saved = daemon.http().get(&format!("/images/{tag}/get")).expect(200).body;
    let dir = TempDir::new().expect("directory");
    let archive = dir.path().join("saved.tar").display().to_string();
    fs::write(&archive, &saved).expect("write");
    let layout = format!("oci:{}:x", dir.path().join("layout").display());
    skopeo(&["copy", &format!("docker-archive:{archive}"), &layout]).ok();
    daemon.remove(&id);
    remove(&daemon, &tag);
    let kind = [("Content-Type", "application/x-tar")];
    daemon.http().send("POST", "/images/load", &kind, &saved).expect(200);
    let after = (inspect(&daemon, &tag), listing(&daemon, &tag));
    assert_eq!(before.0["Id"], after.0["Id"]);
    assert_eq!(before.0["RootFS"], after.0["RootFS"]);
    assert_eq!(before.1, after.1);
    if !daemon.is_reference() {
        let registry = harness::debian_registry::DebianRegistry::start();
        let there = format!("{}/{mark}", registry.host());
        let path = format!("/images/{tag}/tag?repo={there}&tag=v1");
        daemon.http().post(&path).expect(201);
        let auth = [("X-Registry-Auth", "e30=")];
        let pushed =
            daemon.http().send("POST", &format!("/images/{there}/push?tag=v1"), &auth, b"");
        assert!(!pushed.expect(200).text().contains("errorDetail"));
        daemon.http().delete(&format!("/images/{there}:v1")).expect(200);
        remove(&daemon, &tag);
        let pulled = daemon.http().post(&format!("/images/create?fromImage={there}:v1"));
        assert!(!pulled.expect(200).text().contains("errorDetail"));
        let pulled = inspect(&daemon, &format!("{there}:v1"));
        assert_eq!((&pulled["Id"], &pulled["RootFS"]), (&after.0["Id"], &after.0["RootFS"]));
        remove(&daemon, &format!("{there}:v1"));
        return;
    }
    remove(&daemon, &tag);
}

/// Pushes by the stock client; what it says of the layers, and the manifest that the registry has.
fn pushed(daemon: &Daemon, reference: &str) -> (String, Value) {
    let said = daemon.docker(&["push", reference]).ok();
    let there = format!("docker://{reference}");
    let manifest = skopeo(&["inspect", "--raw", "--tls-verify=false", &there]).ok();
    (said, serde_json::from_str(&manifest).expect("a manifest"))
}

#[test]
fn what_is_pushed_is_compressed_once() {
    let daemon = Daemon::start();
    let registry = harness::debian_registry::DebianRegistry::start();
    let repository = format!("{}/{}", registry.host(), name());
    let (one, two) = (format!("{repository}:one"), format!("{repository}:two"));
    let id = ran(&daemon, "yes | head -c 3000000 >/much");
    commit(&daemon, &id, &format!("&repo={repository}&tag=one")).expect(201);
    daemon.remove(&id);
    let (_, manifest) = pushed(&daemon, &one);
    let layers = manifest["layers"].as_array().expect("layers").clone();
    let is_gzip =
        |layer: &Value| layer["mediaType"].as_str().is_some_and(|it| it.ends_with("gzip"));
    assert!(layers.iter().all(is_gzip), "{manifest}");
    let last = layers.last().expect("a layer");
    assert!(last["size"].as_u64().is_some_and(|size| size < 100_000), "{manifest}");
    let (said, again) = pushed(&daemon, &one);
    assert_eq!(said.matches("Layer already exists").count(), layers.len(), "{said}");
    assert_eq!(again, manifest);
    if !daemon.is_reference() {
        // Only the compressed form is kept.
        let blobs = fs::read_dir(daemon.data_root().join("blobs/sha256")).expect("blobs");
        let sizes = blobs.flatten().map(|blob| blob.metadata().expect("stat").len());
        assert_eq!(sizes.filter(|size| *size > 2_999_999).count(), 0);
    }
    // What another image has of it is not made again.
    let id = daemon.create(&json!({ "Image": one, "Cmd": ["true"] }));
    commit(&daemon, &id, &format!("&repo={repository}&tag=two&comment=two")).expect(201);
    daemon.remove(&id);
    let (said, second) = pushed(&daemon, &two);
    assert!(said.matches("Layer already exists").count() >= layers.len(), "{said}");
    assert_eq!(second["layers"].as_array().expect("layers")[..layers.len()], layers[..]);
    let before = inspect(&daemon, &one);
    remove(&daemon, &two);
    remove(&daemon, &one);
    daemon.docker(&["pull", &one]).ok();
    let after = inspect(&daemon, &one);
    assert_eq!((&after["Id"], &after["RootFS"]), (&before["Id"], &before["RootFS"]));
    assert_eq!(after["RepoDigests"], before["RepoDigests"]);
    let seen = daemon.sh(&json!({ "Image": one }), "wc -c </much");
    assert_eq!(seen.trim(), "3000000");
    remove(&daemon, &one);
}

/// A debugger that does not look at the end of a child keeps the container in its exit: it can not be paused any more.
#[test]
fn a_container_that_ends_is_committed() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", "echo a >/mark; sleep 1000 & wait"] }));
    let init = daemon.inspect(&id)["State"]["Pid"].as_u64().expect("a pid");
    let child = eventually("its child", Duration::from_secs(20), || {
        pids_of_container(&id).into_iter().find(|pid| u64::from(*pid) != init)
    });
    let pid = |pid: u64| Pid::from_raw(i32::try_from(pid).expect("a pid"));
    ptrace::seize(pid(child.into()), ptrace::Options::empty()).expect("PTRACE_SEIZE");
    kill(pid(init), Signal::SIGKILL).expect("kill");
    let repository = name();
    commit(&daemon, &id, &format!("&repo={repository}")).expect(201);
    waitpid(pid(child.into()), None).expect("its end");
    assert_eq!(daemon.wait(&id), 137);
    assert_eq!(daemon.sh(&json!({ "Image": repository }), "cat /mark").trim(), "a");
    daemon.remove(&id);
    remove(&daemon, &repository);
}

fn import(daemon: &Daemon, query: &str, archive: &[u8]) -> Answer {
    let kind = [("Content-Type", "text/plain")];
    daemon.http().send("POST", &format!("/images/create?fromSrc=-{query}"), &kind, archive)
}

#[track_caller]
fn imported(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let last = answer.json_lines().pop().expect("lines");
    last["status"].as_str().unwrap_or_else(|| panic!("{last}")).to_owned()
}

#[test]
fn an_archive_becomes_an_image() {
    let daemon = Daemon::start();
    let mark = name();
    let tar = image::busybox_files().file("mark", 0o640, mark.as_bytes()).finish();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).expect("gzip");
    let gzip = gzip.finish().expect("gzip");
    for (form, tag) in [(&tar, "plain"), (&gzip, "gzip")] {
        let change = changes(&["CMD [\"cat\", \"/mark\"]"]);
        let id = imported(&import(
            &daemon,
            &format!("&repo={mark}&tag={tag}&message=hello{change}"),
            form,
        ));
        let named = format!("{mark}:{tag}");
        let seen = inspect(&daemon, &named);
        assert_eq!((&seen["Id"], &seen["Comment"]), (&json!(id), &json!("hello")));
        assert_eq!(seen["RootFS"]["Layers"], json!([image::digest(&tar)]));
        assert_eq!(seen["Config"]["Cmd"], json!(["cat", "/mark"]));
        let finished = daemon.run(&json!({ "Image": named }));
        assert_eq!(finished.output.stdout, mark);
        remove(&daemon, &named);
    }
    let other = imported(&import(&daemon, "&platform=linux/arm64", &tar));
    let seen = inspect(&daemon, &other);
    assert_eq!((&seen["Architecture"], &seen["RepoTags"]), (&json!("arm64"), &json!([])));
    assert_eq!(seen["Comment"], "Imported from -");
    remove(&daemon, &other);
    for (query, status) in [("&platform=windows/amd64", 400), ("&changes=RUN+x", 400)] {
        import(&daemon, query, &tar).expect(status);
    }
    import(&daemon, "", b"junk").expect(500);
}

#[test]
fn an_archive_comes_from_a_url() {
    let Some(daemon) = Daemon::ours() else { return };
    let registry = Registry::start();
    let mark = name();
    registry.push(&mark, "v1", image::Image::busybox());
    // Any server of bytes will do: the layer of an image in a registry is a tar.
    let layer = image::Image::busybox().layers[0].digest.clone();
    let url = format!("http://{}/v2/{mark}/blobs/{layer}", registry.host());
    let path = format!("/images/create?fromSrc={}&repo={mark}", escaped(&url));
    let answer = daemon.http().post(&path).expect(200);
    let lines = answer.json_lines();
    assert_eq!(lines[0]["status"], format!("Downloading from {url}"));
    assert!(lines.iter().any(|line| line["status"] == "Importing"), "{lines:?}");
    assert_eq!(inspect(&daemon, &mark)["Id"], imported(&answer));
    remove(&daemon, &mark);
    let missing = format!("{url}x");
    daemon.http().post(&format!("/images/create?fromSrc={}", escaped(&missing))).expect(404);
    let nobody = daemon.http().post("/images/create?fromSrc=http://127.0.0.1:1/x").expect(500);
    assert!(nobody.message().contains("onnection refused"), "{}", nobody.message());
    daemon.http().post("/images/create?fromSrc=file:///etc/passwd").expect(500);
}

#[test]
fn the_cli_goes_round() {
    let daemon = Daemon::start();
    let mark = name();
    let id = ran(&daemon, "echo round >/r; chmod 600 /r");
    let dir = TempDir::new().expect("directory");
    let file = dir.path().join("root.tar").display().to_string();
    daemon.docker(&["export", "-o", &file, &id]).ok();
    let imported = daemon.docker(&["import", "-c", "CMD cat /r", &file, &mark]).ok();
    assert!(imported.starts_with("sha256:"), "{imported}");
    assert_eq!(daemon.docker(&["run", "--rm", "--network", "none", &mark]).ok(), "round");
    daemon.docker(&["rmi", &mark]).ok();
    let bytes = fs::File::open(&file).and_then(|mut file| {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map(|_| bytes)
    });
    daemon.docker_with(&["import", "-", &mark], &bytes.expect("read")).ok();
    daemon.docker(&["rmi", &mark]).ok();
    daemon.docker(&["commit", "-m", "why", "-c", "USER app", &id, &mark]).ok();
    let shown = daemon.docker(&["inspect", "-f", "{{.Config.User}} {{.Comment}}", &mark]).ok();
    assert_eq!(shown, "app why");
    daemon.docker(&["rmi", &mark]).ok();
    let empty = Files::new().finish();
    daemon.docker_with(&["import", "-", &mark], &empty).ok();
    daemon.docker(&["rmi", &mark]).ok();
    daemon.remove(&id);
}
