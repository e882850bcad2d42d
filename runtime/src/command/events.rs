//! `events`: what a container uses, and that it ran out of memory, as lines of JSON in runc's form.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::arguments::{Flag, Parsed};
use super::directory::Directory;
use super::error::CommandError;
use super::{Globals, Verb, report};
use crate::cgroup::{self, Account, BlockIo, Details, Stats};
use crate::hooks::Status;

/// Seconds between two lines.
const INTERVAL: u64 = 5;

/// How often an end or a lack of memory is looked for in between.
const LOOK: Duration = Duration::from_millis(500);

pub(super) const VERB: Verb = Verb {
    name: "events",
    operands: "<container-id>",
    about: "show what a container uses, again and again",
    flags: &[
        Flag::with("interval", "DURATION", "time between two lines: 5s, 500ms, 1m [5s]"),
        Flag::plain("stats", "once"),
    ],
    count: (1, 1),
    ends_at_operand: false,
    failure: 1,
    run,
};

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    let id = parsed.id();
    let interval = match parsed.value("interval") {
        Some(text) => duration(text)
            .ok_or_else(|| CommandError::Usage(format!("invalid duration {text:?}")))?,
        None => Duration::from_secs(INTERVAL),
    };
    let directory = Directory::open(&globals.root, id)?;
    let record = directory.read(id)?;
    let layout = cgroup::layout();
    if record.status(&directory, &layout) == Status::Stopped {
        return Err(CommandError::State(format!("container with id {id} is not running")));
    }
    let group = record.cgroup(&layout);
    report::show(line(id, &group.stats()?, &group.details()).to_string());
    if parsed.has("stats") {
        return Ok(ExitCode::SUCCESS);
    }
    let (mut kills, mut since) = (group.oom_kills(), Duration::ZERO);
    while record.status(&directory, &layout) != Status::Stopped {
        let pause = LOOK.min(interval);
        thread::sleep(pause);
        since += pause;
        let now = group.oom_kills();
        if now > kills {
            kills = now;
            report::show(json!({"type": "oom", "id": id}).to_string());
        }
        if since >= interval {
            since = Duration::ZERO;
            report::show(line(id, &group.stats()?, &group.details()).to_string());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `5s`, `500ms`, `1m`; a bare number is seconds. Not zero.
fn duration(text: &str) -> Option<Duration> {
    let at = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..at].parse().ok().filter(|number| *number > 0)?;
    match &text[at..] {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}

fn line(id: &str, stats: &Stats, details: &Details) -> Value {
    let Stats { cpu, memory, pids, io } = stats;
    let throttling = &cpu.throttling;
    let transfers = |of: fn(&BlockIo) -> (u64, u64)| -> Vec<Value> {
        let device = |device: &BlockIo| {
            let (read, written) = of(device);
            let one = |op: &str, value: u64| json!({"major": device.major, "minor": device.minor, "op": op, "value": value});
            [one("Read", read), one("Write", written)]
        };
        io.iter().flat_map(device).collect()
    };
    let usage = Account {
        usage: memory.usage,
        max_usage: memory.max_usage.unwrap_or(0),
        limit: memory.limit,
        failures: memory.failures,
    };
    let mut cpuset = json!(details.cpuset);
    cpuset["cpus"] = json!(details.cpus);
    cpuset["mems"] = json!(details.memory_nodes);
    let huge_pages = details.huge_pages.iter().map(|(size, pages)| {
        let Account { usage, max_usage, failures, .. } = pages;
        (size.clone(), json!({"usage": usage, "max": max_usage, "failcnt": failures}))
    });
    let per_cpu = |of: fn(&(u64, u64)) -> u64| details.per_cpu.iter().map(of).collect::<Vec<_>>();
    json!({
        "type": "stats",
        "id": id,
        "data": {
            "cpu": {
                "usage": {
                    "total": cpu.total,
                    "percpu": cpu.per_cpu,
                    "percpu_kernel": per_cpu(|(kernel, _)| *kernel),
                    "percpu_user": per_cpu(|(_, user)| *user),
                    "kernel": cpu.system,
                    "user": cpu.user,
                },
                "throttling": {
                    "periods": throttling.periods,
                    "throttledPeriods": throttling.throttled_periods,
                    "throttledTime": throttling.throttled_time,
                },
            },
            "cpuset": cpuset,
            "memory": {
                "cache": memory.detail.get("cache").or_else(|| memory.detail.get("file")),
                "usage": entry(&usage),
                "swap": entry(&details.swap),
                "kernel": entry(&details.kernel),
                "kernelTCP": entry(&details.kernel_tcp),
                "raw": memory.detail,
            },
            "pids": {"current": pids.current, "limit": pids.limit.unwrap_or(0)},
            "blkio": {
                "ioServiceBytesRecursive": transfers(|io| (io.read_bytes, io.write_bytes)),
                "ioServicedRecursive": transfers(|io| (io.read_operations, io.write_operations)),
            },
            "hugetlb": huge_pages.collect::<Map<_, _>>(),
        },
    })
}

/// One kind of memory; no limit is the highest number.
fn entry(account: &Account) -> Value {
    let Account { usage, max_usage, limit, failures } = account;
    json!({"limit": limit.unwrap_or(u64::MAX), "usage": usage, "max": max_usage, "failcnt": failures})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2"), Some(Duration::from_secs(2)));
        assert_eq!(duration("1m"), Some(Duration::from_secs(60)));
        for bad in ["", "0s", "s", "1x", "-1s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
