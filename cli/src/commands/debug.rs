//! `jocker debug`: what the report of a bug needs, in one archive. What is asked of the daemon is here;
//! `host` reads the machine, `secrets` takes out what must not leave it, `bundle` is the archive.

mod bundle;
mod host;
mod secrets;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Outcome;
use crate::args::DebugArgs;
use crate::client::{Client, Path, encode_segment};
use bundle::Bundle;

/// How long the daemon may take for one answer: one that hangs is what some reports are about.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Most containers of which everything is told; the list has all of them.
const MAX_CONTAINERS: usize = 200;
/// How far back events are told, as far as the daemon has them.
const EVENTS_SINCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is asked of the daemon: the page, the path, what it is.
const QUESTIONS: [(&str, &str, &str); 7] = [
    ("daemon/version.json", "/version", "the daemon's version"),
    ("daemon/info.json", "/info", "what `jocker info` shows"),
    ("daemon/disk.json", "/system/df", "what takes how much of the disk"),
    ("containers.json", "/containers/json?all=1&size=0", "all containers"),
    ("images.json", "/images/json", "all images"),
    ("networks.json", "/networks", "all networks"),
    ("volumes.json", "/volumes", "all volumes"),
];

pub(super) async fn debug(client: &Client, args: DebugArgs) -> Outcome {
    let now = Timestamp::now();
    let name = args
        .output
        .unwrap_or_else(|| now.strftime("jocker-debug-%Y%m%dT%H%M%SZ.tar.gz").to_string());
    let mut bundle = Bundle::new(&name, now)?;
    let client_text = format!(
        "jocker {}\nasks by API version {}\nof {}\n",
        env!("CARGO_PKG_VERSION"),
        client.api_version(),
        client.host()
    );
    bundle.add("client.txt", "this client, and the socket that it asked", Ok(client_text))?;
    let mut info = Value::Null;
    let mut containers = Value::Null;
    for (page, path, what) in QUESTIONS {
        let answer = ask(client, path).await;
        match (page, &answer) {
            ("daemon/info.json", Ok(value)) => info = value.clone(),
            ("containers.json", Ok(value)) => containers = value.clone(),
            _ => {}
        }
        bundle.add(page, what, answer.map(|value| shown(&value)))?;
    }
    bundle.add(
        "daemon/events.jsonl",
        "what happened, as far as it is known",
        events(client, now).await,
    )?;
    each_container(client, &mut bundle, &containers).await?;
    host::gather(&mut bundle, info["DockerRootDir"].as_str())?;
    bundle.finish()?;
    println!("{name}");
    Ok(())
}

/// State, configuration and the steps of the last start of each container.
async fn each_container(client: &Client, bundle: &mut Bundle, list: &Value) -> Outcome {
    let ids = list.as_array().into_iter().flatten().filter_map(|each| each["Id"].as_str());
    for id in ids.take(MAX_CONTAINERS) {
        let at = |rest: &str| format!("/containers/{}{rest}", encode_segment(id));
        let short: String = id.chars().take(12).collect();
        let inspection = ask(client, &at("/json")).await.map(|value| shown(&value));
        bundle.add(
            &format!("containers/{short}.json"),
            "its configuration and state",
            inspection,
        )?;
        let timeline = ask(client, &at("/timeline")).await.map(|value| shown(&value));
        let what = "how long the steps of its last start took";
        bundle.add(&format!("containers/{short}.timeline.json"), what, timeline)?;
    }
    Ok(())
}

async fn ask(client: &Client, path: &str) -> Result<Value, String> {
    let path = Path::new(path);
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, client.get_bytes(&path)).await;
    let bytes = answer.map_err(|_| no_answer())?.map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| format!("no JSON: {error}"))
}

async fn events(client: &Client, now: Timestamp) -> Result<String, String> {
    let since = now.as_second() - i64::try_from(EVENTS_SINCE.as_secs()).unwrap_or(0);
    let path = Path::new("/events").with("since", since).with("until", now.as_second() + 1);
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, client.get_bytes(&path)).await;
    let bytes = answer.map_err(|_| no_answer())?.map_err(|error| error.to_string())?;
    let lines = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
    let lines = lines.map_while(Result::ok).map(|mut event| {
        secrets::remove(&mut event);
        format!("{event}\n")
    });
    Ok(lines.collect())
}

fn no_answer() -> String {
    format!("no answer in {} s", ANSWER_TIMEOUT.as_secs())
}

/// JSON for people, without secrets.
fn shown(value: &Value) -> String {
    let mut value = value.clone();
    secrets::remove(&mut value);
    format!("{value:#}\n")
}
