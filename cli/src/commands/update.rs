//! `jocker update`

use api_spec::container::UpdateResponse;
use http::Method;
use serde_json::{Map, Value, json};

use super::{Failure, Outcome};
use crate::args::UpdateArgs;
use crate::client::{Client, Path};
use crate::render::size;

pub(super) async fn update(client: &Client, args: &UpdateArgs) -> Outcome {
    let body = body(args)?;
    if body.is_empty() {
        let text = "you must provide one or more flags when using this command";
        return Err(Failure::Message(text.into()));
    }
    let mut failed = false;
    for name in &args.containers {
        let path = Path::container(name, "/update");
        match client.call::<UpdateResponse>(Method::POST, &path, Some(&body)).await {
            Ok(answer) => {
                println!("{name}");
                answer.warnings.iter().flatten().for_each(|warning| eprintln!("{warning}"));
            }
            Err(error) => {
                eprintln!("{error}");
                failed = true;
            }
        }
    }
    if failed { Err(Failure::Exit(1)) } else { Ok(()) }
}

/// Only what was asked for: what is absent stays as it is.
fn body(args: &UpdateArgs) -> Result<Map<String, Value>, Failure> {
    let bytes = |flag: &str, text: &Option<String>| -> Result<Option<i64>, Failure> {
        let wrong = |text: &str| Failure::Message(format!("invalid argument {text:?} for {flag}"));
        match text.as_deref() {
            None => Ok(None),
            Some("-1") => Ok(Some(-1)),
            Some(text) => size::parse(text).map(Some).ok_or_else(|| wrong(text)),
        }
    };
    let cpus = match args.cpus.as_deref() {
        None => None,
        Some(text) => {
            let wrong = || Failure::Message(format!("invalid argument {text:?} for --cpus"));
            let number: f64 = text.parse().map_err(|_| wrong())?;
            Some((number * 1e9).round() as i64)
        }
    };
    let restart = args.restart.as_deref().map(restart).transpose()?;
    let all = [
        ("BlkioWeight", json!(args.blkio_weight)),
        ("CpuPeriod", json!(args.cpu_period)),
        ("CpuQuota", json!(args.cpu_quota)),
        ("CpuShares", json!(args.cpu_shares)),
        ("NanoCpus", json!(cpus)),
        ("CpusetCpus", json!(args.cpuset_cpus)),
        ("CpusetMems", json!(args.cpuset_mems)),
        ("Memory", json!(bytes("--memory", &args.memory)?)),
        ("MemoryReservation", json!(bytes("--memory-reservation", &args.memory_reservation)?)),
        ("MemorySwap", json!(bytes("--memory-swap", &args.memory_swap)?)),
        ("PidsLimit", json!(args.pids_limit)),
        ("RestartPolicy", json!(restart)),
    ];
    let given = all.into_iter().filter(|(_, value)| !value.is_null());
    Ok(given.map(|(key, value)| (key.to_owned(), value)).collect())
}

fn restart(text: &str) -> Result<Value, Failure> {
    let (name, count) = text.split_once(':').unwrap_or((text, "0"));
    let wrong = || {
        Failure::Message(
            "invalid restart policy format: maximum retry count must be an integer".into(),
        )
    };
    let count: i64 = count.parse().map_err(|_| wrong())?;
    Ok(json!({ "Name": name, "MaximumRetryCount": count }))
}
