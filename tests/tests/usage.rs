//! What containers use and do: processes, statistics, limits changed while they run, pruning.

use std::time::Duration;

use harness::{Daemon, IMAGE, escaped, eventually, name};
use serde_json::{Value, json};

fn encoded(value: &Value) -> String {
    escaped(&value.to_string())
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Route: GET /containers/{id}/top
#[test]
fn processes_are_shown() {
    let daemon = Daemon::start();
    let script = "sleep 1000 & sleep 1001; true";
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", script], "User": "0" }));
    let table = eventually("three processes", Duration::from_secs(20), || {
        let table = daemon.http().get(&format!("/containers/{id}/top")).expect(200).json();
        let sleepers = table["Processes"].to_string().matches("\"sleep 100").count();
        (table["Processes"].as_array()?.len() == 3 && sleepers == 2).then_some(table)
    });
    let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    assert_eq!(words(&table["Titles"]), titles);
    let rows: Vec<Vec<&str>> =
        table["Processes"].as_array().expect("rows").iter().map(words).collect();
    let first = rows.iter().find(|row| row[7].starts_with("sh -c sleep")).expect("the shell");
    assert_eq!(first[0], "root");
    assert_eq!(first[1], daemon.inspect(&id)["State"]["Pid"].to_string());
    assert_eq!((first[5], first[6].len()), ("?", 8));
    assert!(first[3].parse::<u32>().is_ok() && first[4].contains(':'), "{first:?}");
    let second = rows.iter().find(|row| row[7] == "sleep 1001").expect("a child");
    assert_eq!(second[2], first[1]);
}

#[test]
fn processes_are_shown_in_other_columns() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"] }));
    let top = |query: &str| daemon.http().get(&format!("/containers/{id}/top?ps_args={query}"));
    assert_eq!(top("-ef").expect(200).json()["Titles"][0], "UID");
    let table = top("-o+pid,comm");
    if table.status == 501 {
        return;
    }
    let table = table.expect(200).json();
    assert_eq!(words(&table["Titles"]), ["PID", "COMMAND"]);
    let pid = daemon.inspect(&id)["State"]["Pid"].to_string();
    assert_eq!(table["Processes"], json!([[pid, "sleep"]]));
    assert_eq!(top("-o+comm").expect(500).message(), "Couldn't find PID field in ps output");
    assert!(top("-zzz").expect(500).message().starts_with("ps: "));
}

#[test]
fn only_running_containers_have_processes() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["true"] }));
    let text = daemon.http().get(&format!("/containers/{id}/top")).expect(409).message();
    assert_eq!(text, format!("container {id} is not running"));
}

/// Route: GET /containers/{id}/stats
#[test]
fn statistics_have_docker_s_fields() {
    let daemon = Daemon::start();
    let body = json!({ "Cmd": ["sh", "-c", "while :; do :; done"],
        "HostConfig": { "Memory": 67_108_864, "PidsLimit": 20, "NetworkMode": "bridge" } });
    let id = daemon.launch(&body);
    let path = format!("/containers/{id}/stats?stream=0");
    let stats = daemon.http().get(&path).expect(200).json();
    assert_eq!(stats["id"], id);
    assert!(stats["name"].as_str().is_some_and(|name| name.starts_with("/jt-")), "{stats}");
    assert!(stats["preread"].as_str() < stats["read"].as_str());
    assert!(stats["preread"].as_str().is_some_and(|time| !time.starts_with("0001")), "{stats}");
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let (now, before) = (&stats["cpu_stats"], &stats["precpu_stats"]);
    let used = |cpu: &Value| number(&cpu["cpu_usage"]["total_usage"]);
    let host = |cpu: &Value| number(&cpu["system_cpu_usage"]);
    assert!(used(now) > used(before), "{stats}");
    assert!(host(now) > host(before), "{stats}");
    assert!(number(&now["online_cpus"]) > 0);
    assert!(now["cpu_usage"]["usage_in_usermode"].is_u64());
    assert!(now["throttling_data"]["periods"].is_u64());
    let memory = &stats["memory_stats"];
    assert_eq!(memory["limit"], 67_108_864);
    assert!(number(&memory["usage"]) > 0);
    assert!(memory["stats"]["pgfault"].is_u64(), "{memory}");
    assert!(number(&stats["pids_stats"]["current"]) >= 1);
    assert!(stats["blkio_stats"]["io_service_bytes_recursive"].is_array(), "{stats}");
    assert!(stats["networks"]["eth0"]["rx_bytes"].is_u64(), "{stats}");
    assert!(stats["networks"]["lo"].is_null());
}

#[test]
fn statistics_stream_until_the_container_goes() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"] }));
    let path = format!("/containers/{id}/stats");
    let mut stream = daemon.http().open("GET", &path, &[], b"");
    stream.set_patience(Duration::from_secs(20));
    let first = stream.next_json().expect("a sample");
    assert!(first["preread"].as_str().is_some_and(|time| time.starts_with("0001")), "{first}");
    let second = stream.next_json().expect("another");
    assert_eq!(second["preread"], first["read"]);
    assert!(second["networks"].is_null(), "network none has no interfaces");
    daemon.http().post(&format!("/containers/{id}/kill")).expect(204);
    eventually("a sample of nothing", Duration::from_secs(20), || {
        let sample = stream.next_json().expect("a sample");
        sample["read"].as_str().filter(|time| time.starts_with("0001")).map(drop)
    });
    daemon.remove(&id);
    if !daemon.is_reference() {
        while stream.next_json().is_some() {}
    }
}

#[test]
fn statistics_at_once() {
    let daemon = Daemon::start();
    let id = daemon.create(&json!({ "Cmd": ["sleep", "1000"] }));
    let get = |query: &str| daemon.http().get(&format!("/containers/{id}/stats?{query}"));
    let stopped = get("stream=0").expect(200).json();
    assert_eq!(stopped["read"], "0001-01-01T00:00:00Z");
    assert_eq!(stopped["memory_stats"], json!({}));
    assert_eq!(stopped["id"], id);
    daemon.start_container(&id);
    let once = get("stream=0&one-shot=1").expect(200).json();
    assert_eq!(once["preread"], "0001-01-01T00:00:00Z");
    assert_eq!(once["precpu_stats"]["cpu_usage"]["total_usage"], 0);
    assert!(once["cpu_stats"]["cpu_usage"]["total_usage"].as_u64() > Some(0));
    let text = get("stream=1&one-shot=1").expect(400).message();
    assert_eq!(text, "cannot have stream=true and one-shot=true");
    let none = name();
    daemon.http().get(&format!("/containers/{none}/stats?stream=0")).expect(404);
}

/// Route: POST /containers/{id}/update
#[test]
fn limits_change_while_it_runs() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"],
        "HostConfig": { "Memory": 67_108_864, "PidsLimit": 50 } }));
    let update = |body: Value| daemon.http().post_json(&format!("/containers/{id}/update"), &body);
    let limits = json!({ "Memory": 100_663_296, "PidsLimit": 30, "CpuShares": 512,
        "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 } });
    let answer = update(limits).expect(200).json();
    assert!(answer["Warnings"].is_null(), "{answer}");
    let seen = daemon.inspect(&id)["HostConfig"].clone();
    assert_eq!((&seen["Memory"], &seen["PidsLimit"]), (&json!(100_663_296), &json!(30)));
    assert_eq!(seen["CpuShares"], 512);
    assert_eq!(seen["RestartPolicy"], json!({ "Name": "on-failure", "MaximumRetryCount": 3 }));
    let stats = daemon.http().get(&format!("/containers/{id}/stats?stream=0&one-shot=1")).json();
    assert_eq!(stats["memory_stats"]["limit"], 100_663_296);
    let text = update(json!({ "Memory": 1_073_741_824 })).expect(409).message();
    let prefix = format!("Cannot update container {id}: Memory limit should be smaller than");
    assert!(text.starts_with(&prefix), "{text}");
    update(json!({ "Memory": 134_217_728, "MemorySwap": -1, "NanoCpus": 500_000_000 })).expect(200);
    assert_eq!(daemon.inspect(&id)["HostConfig"]["MemorySwap"], -1);
    let text = update(json!({ "CpuPeriod": 50_000 })).expect(409).message();
    assert!(text.ends_with("CPU Period cannot be updated as NanoCPUs has already been set"));
    let text = update(json!({ "Memory": 1 })).expect(400).message();
    assert_eq!(text, "Minimum memory limit allowed is 6MB");
    update(json!({ "RestartPolicy": { "Name": "sometimes" } })).expect(400);
    update(json!({})).expect(200);
    daemon.http().post_json(&format!("/containers/{}/update", name()), &json!({})).expect(404);
}

#[test]
fn the_restart_policy_changes_what_follows_an_end() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["sh", "-c", "sleep 1; exit 3"] }));
    let update = |policy: &str| {
        let body = json!({ "RestartPolicy": { "Name": policy } });
        daemon.http().post_json(&format!("/containers/{id}/update"), &body).expect(200);
    };
    update("always");
    eventually("a restart", Duration::from_secs(30), || {
        (daemon.inspect(&id)["RestartCount"].as_u64() >= Some(1)).then_some(())
    });
    update("no");
    eventually("the end", Duration::from_secs(30), || {
        (daemon.inspect(&id)["State"]["Status"] == "exited").then_some(())
    });
}

/// Other limits outlive the daemon, and hold at the next start.
#[test]
fn changed_limits_are_kept() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let id = daemon.create(&json!({ "Cmd": ["sleep", "1000"] }));
    let body = json!({ "Memory": 100_663_296, "MemorySwap": 100_663_296 });
    daemon.http().post_json(&format!("/containers/{id}/update"), &body).expect(200);
    daemon.kill9();
    daemon.start_again(&harness::daemon::Options::new());
    assert_eq!(daemon.inspect(&id)["HostConfig"]["Memory"], 100_663_296);
    daemon.start_container(&id);
    let stats = daemon.http().get(&format!("/containers/{id}/stats?stream=0&one-shot=1")).json();
    assert_eq!(stats["memory_stats"]["limit"], 100_663_296);
}

/// Route: POST /containers/prune
#[test]
fn idle_containers_are_pruned() {
    let daemon = Daemon::start();
    let mark = name();
    let make = |state: &str| {
        let body = json!({ "Cmd": ["sleep", "1000"], "Labels": { "mark": mark, "state": state } });
        daemon.create(&body)
    };
    let (idle, kept, runs) = (make("idle"), make("kept"), make("runs"));
    daemon.start_container(&runs);
    let prune = |filters: Value| {
        daemon.http().post(&format!("/containers/prune?filters={}", encoded(&filters)))
    };
    let mine = format!("mark={mark}");
    let none = prune(json!({ "label": [mine], "until": ["1h"] })).expect(200).json();
    assert_eq!(none, json!({ "ContainersDeleted": null, "SpaceReclaimed": 0 }));
    let pruned = prune(json!({ "label": [mine], "label!": ["state=kept"] })).expect(200).json();
    assert_eq!(pruned["ContainersDeleted"], json!([idle]));
    daemon.http().get(&format!("/containers/{idle}/json")).expect(404);
    let pruned = prune(json!({ "label": [mine] })).expect(200).json();
    assert_eq!(pruned["ContainersDeleted"], json!([kept]));
    assert_eq!(daemon.inspect(&runs)["State"]["Status"], "running");
    assert_eq!(prune(json!({ "x": ["y"] })).expect(400).message(), "invalid filter 'x'");
    let text = prune(json!({ "until": ["1h", "2h"] })).expect(400).message();
    assert_eq!(text, "more than one until filter specified");
    let text = prune(json!({ "until": ["soon"] })).expect(400).message();
    assert_eq!(text, "failed to parse value as time or duration: \"soon\"");
}

/// The bundled client over the verbs that it has.
#[test]
fn by_the_bundled_client() {
    let daemon = Daemon::start();
    let (called, other) = (name(), name());
    let run = ["run", "-d", "--name", &called, "--network", "none", IMAGE, "sleep", "1000"];
    daemon.jocker(&run).ok();
    for verb in [&["pause"][..], &["unpause"], &["restart", "-t", "0"]] {
        let line: Vec<&str> = verb.iter().copied().chain([called.as_str()]).collect();
        assert_eq!(daemon.jocker(&line).ok(), called);
    }
    assert_eq!(daemon.jocker(&["rename", &called, &other]).ok(), "");
    daemon.jocker(&["pause", &called]).fails(1);
    daemon.jocker(&["rm", "-f", &other]).ok();
}

/// The stock client over the same verbs.
#[test]
fn by_the_stock_client() {
    let daemon = Daemon::start();
    let (called, other) = (name(), name());
    let run = ["run", "-d", "--name", &called, "--network", "none", IMAGE, "sleep", "1000"];
    daemon.docker(&run).ok();
    daemon.docker(&["pause", &called]).ok();
    daemon.docker(&["unpause", &called]).ok();
    assert!(daemon.docker(&["top", &called]).ok().contains("sleep 1000"));
    daemon.docker(&["rename", &called, &other]).ok();
    daemon.docker(&["update", "--memory", "64m", "--memory-swap", "64m", &other]).ok();
    let row =
        daemon.docker(&["stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", &other]);
    let row = row.ok();
    assert!(row.starts_with(&other) && row.trim_end().ends_with("/ 64MiB"), "{row}");
    daemon.docker(&["restart", "-t", "0", &other]).ok();
    daemon.docker(&["rm", "-f", &other]).ok();
}

/// Every field with its type, a line each; what is in lists is left out.
fn shape(value: &Value, path: &str, lines: &mut Vec<String>) {
    let kind = match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| shape(field, &format!("{path}.{name}"), lines));
            return;
        }
        Value::Null | Value::Array(_) => "list",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
    };
    lines.push(format!("{path} {kind}"));
}

/// `data/stats.txt` is what a dockerd 26.1 answered on a host with control groups of version 1.
#[test]
fn statistics_have_the_shape_of_docker_s() {
    let daemon = Daemon::start();
    let id = daemon.launch(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
        "HostConfig": { "Memory": 67_108_864, "PidsLimit": 20, "NetworkMode": "bridge" } }));
    let path = format!("/v1.45/containers/{id}/stats?stream=0");
    let stats = daemon.http().get(&path).expect(200).json();
    let mut lines = Vec::new();
    shape(&stats, "", &mut lines);
    lines.sort();
    let expected = include_str!("data/stats.txt");
    assert_eq!(lines.join("\n"), expected.trim_end());
}
