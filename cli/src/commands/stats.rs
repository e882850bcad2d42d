//! `jocker stats`: what containers use, once or again and again.

use std::io::{self, IsTerminal};

use api_spec::container::{ContainerSummary, StatsResponse};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::{Failure, Outcome};
use crate::args::StatsArgs;
use crate::client::{Client, ClientError, Path};
use crate::render::list::{self, Column};
use crate::render::size;

const COLUMNS: [Column; 9] = [
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];
const SHOWN: [&str; 8] =
    ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];
const SHORT_ID: usize = 12;
/// To the first column of the first line, and nothing below.
const CLEAR: &str = "\x1b[H\x1b[J";

pub(super) async fn stats(client: &Client, args: StatsArgs) -> Outcome {
    let on_terminal = io::stdout().is_terminal();
    loop {
        let rows = round(client, &args).await?;
        let text = list::render(args.format.as_deref(), &COLUMNS, &SHOWN, &rows)?;
        let clear = if on_terminal && !args.no_stream { CLEAR } else { "" };
        super::print(&format!("{clear}{text}"))?;
        if args.no_stream {
            return Ok(());
        }
    }
}

/// One look at each container, all at the same time; it takes as long as the daemon measures.
async fn round(client: &Client, args: &StatsArgs) -> Result<Vec<Map<String, Value>>, Failure> {
    let names = match args.containers.is_empty() {
        false => args.containers.clone(),
        true => {
            let path = Path::new("/containers/json").flag("all", args.all);
            let list: Vec<ContainerSummary> = client.get(&path).await?;
            list.into_iter().map(|container| container.id).collect()
        }
    };
    let is_asked_for = !args.containers.is_empty();
    let mut looks = JoinSet::new();
    for (at, name) in names.into_iter().enumerate() {
        let client = client.clone();
        looks.spawn(async move {
            let path = Path::container(&name, "/stats").with("stream", 0);
            let seen: Result<StatsResponse, ClientError> = client.get(&path).await;
            (at, name, seen)
        });
    }
    if looks.is_empty() && !args.no_stream {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let mut rows = Vec::new();
    while let Some(look) = looks.join_next().await {
        let (at, name, seen) = look.map_err(|error| Failure::Message(error.to_string()))?;
        match seen {
            Ok(stats) => rows.push((at, row(&name, &stats, args.no_trunc))),
            // It has gone since it was listed.
            Err(error) if error.is_not_found() && !is_asked_for => {}
            Err(error) => return Err(error.into()),
        }
    }
    rows.sort_by_key(|(at, _)| *at);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn row(asked: &str, stats: &StatsResponse, whole: bool) -> Map<String, Value> {
    let id: String = stats.id.chars().take(if whole { usize::MAX } else { SHORT_ID }).collect();
    let bytes = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let memory = &stats.memory_stats;
    // The page cache is not the container's use: it goes when somebody needs the memory.
    let cache = memory.stats.get("total_inactive_file").or(memory.stats.get("inactive_file"));
    let used = memory.usage.saturating_sub(cache.copied().unwrap_or(0));
    let percent = |part: u64, whole: u64| match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64 * 100.0,
    };
    let networks = || stats.networks.iter().flatten().map(|(_, network)| network);
    let received: u64 = networks().map(|network| network.rx_bytes).sum();
    let sent: u64 = networks().map(|network| network.tx_bytes).sum();
    let blocks = |wanted: &str| -> u64 {
        let entries = stats.blkio_stats.io_service_bytes_recursive.iter().flatten();
        entries.filter(|entry| entry.op.eq_ignore_ascii_case(wanted)).map(|entry| entry.value).sum()
    };
    let decimal = |value: u64| size::decimal(bytes(value), 3);
    let row = json!({
        "Container": asked,
        "ID": id,
        "Name": stats.name.trim_start_matches('/'),
        "CPUPerc": format!("{:.2}%", cpu(stats)),
        "MemUsage": format!("{} / {}", size::binary(bytes(used)), size::binary(bytes(memory.limit))),
        "MemPerc": format!("{:.2}%", percent(used, memory.limit)),
        "NetIO": format!("{} / {}", decimal(received), decimal(sent)),
        "BlockIO": format!("{} / {}", decimal(blocks("read")), decimal(blocks("write"))),
        "PIDs": stats.pids_stats.current.unwrap_or(0).to_string(),
    });
    match row {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Per cent of one processor, since the look before.
fn cpu(stats: &StatsResponse) -> f64 {
    let (now, before) = (&stats.cpu_stats, &stats.precpu_stats);
    let own = now.cpu_usage.total_usage.saturating_sub(before.cpu_usage.total_usage);
    let all = now.system_cpu_usage.saturating_sub(before.system_cpu_usage);
    if all == 0 || before.system_cpu_usage == 0 {
        return 0.0;
    }
    own as f64 / all as f64 * now.online_cpus.max(1) as f64 * 100.0
}
