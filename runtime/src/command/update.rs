//! `update`: other limits for a running container.

use std::fs;
use std::io::Read;
use std::process::ExitCode;

use oci_spec::runtime::LinuxResources;
use serde_json::{Map, Value, json};

use super::arguments::{Flag, Parsed};
use super::bundle;
use super::directory::Directory;
use super::error::CommandError;
use super::{Globals, Verb};
use crate::cgroup;
use crate::hooks::Status;

/// Longest document of resources, in bytes.
const RESOURCES_MAX: u64 = 1 << 20;

pub(super) const VERB: Verb = Verb {
    name: "update",
    operands: "<container-id>",
    about: "change the limits of a container",
    flags: &[
        Flag::with("resources", "FILE", "resources as the spec writes them; - for the input")
            .short('r'),
        Flag::with("blkio-weight", "N", "weight of block I/O, 10 to 1000"),
        Flag::with("cpu-period", "US", "period of the CPU quota"),
        Flag::with("cpu-quota", "US", "CPU time a period"),
        Flag::with("cpu-burst", "US", "CPU time that may be saved up"),
        Flag::with("cpu-share", "N", "relative weight of CPU time"),
        Flag::with("cpu-rt-period", "US", "period of the realtime quota"),
        Flag::with("cpu-rt-runtime", "US", "realtime a period"),
        Flag::with("cpu-idle", "0|1", "run only when nothing else does"),
        Flag::with("cpuset-cpus", "LIST", "processors"),
        Flag::with("cpuset-mems", "LIST", "memory nodes"),
        Flag::with("memory", "BYTES", "limit of memory"),
        Flag::with("memory-reservation", "BYTES", "soft limit of memory"),
        Flag::with("memory-swap", "BYTES", "limit of memory and swap together"),
        Flag::with("kernel-memory", "BYTES", "accepted for runc's sake"),
        Flag::with("kernel-memory-tcp", "BYTES", "limit of TCP buffers"),
        Flag::with("pids-limit", "N", "most processes"),
    ],
    count: (1, 1),
    ends_at_operand: false,
    failure: 1,
    run,
};

/// Flags with a number, and where it stands in the resources.
const NUMBERS: [(&str, &str, &str); 9] = [
    ("blkio-weight", "blockIO", "weight"),
    ("cpu-period", "cpu", "period"),
    ("cpu-quota", "cpu", "quota"),
    ("cpu-burst", "cpu", "burst"),
    ("cpu-share", "cpu", "shares"),
    ("cpu-rt-period", "cpu", "realtimePeriod"),
    ("cpu-rt-runtime", "cpu", "realtimeRuntime"),
    ("cpu-idle", "cpu", "idle"),
    ("pids-limit", "pids", "limit"),
];

/// The same for numbers of bytes, in which `K`, `M`, `G` and `T` may stand for powers of 1024.
const SIZES: [(&str, &str); 4] = [
    ("memory", "limit"),
    ("memory-reservation", "reservation"),
    ("memory-swap", "swap"),
    ("kernel-memory-tcp", "kernelTCP"),
];

fn run(globals: &Globals, parsed: &Parsed) -> Result<ExitCode, CommandError> {
    let resources = match parsed.value("resources") {
        Some(path) => read(path)?,
        None => of_flags(parsed)?,
    };
    let directory = Directory::lock(&globals.root, parsed.id())?;
    let record = directory.read(parsed.id())?;
    let layout = cgroup::layout();
    if record.status(&directory, &layout) == Status::Stopped {
        return Err(CommandError::NotRunning(record.id));
    }
    let mut plan = cgroup::plan(&resources, &record.cgroup, &layout)?;
    plan.unit.clone_from(&record.unit);
    record.cgroup(&layout).update(&plan)?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &str) -> Result<LinuxResources, CommandError> {
    let failed = || CommandError::io(format!("open {path:?}"));
    let mut text = String::new();
    let mut source: Box<dyn Read> = match path {
        "-" => Box::new(std::io::stdin()),
        path => Box::new(fs::File::open(path).map_err(failed())?),
    };
    source.by_ref().take(RESOURCES_MAX).read_to_string(&mut text).map_err(failed())?;
    bundle::parse(&text).map_err(|what| CommandError::Config { path: path.into(), what })
}

fn of_flags(parsed: &Parsed) -> Result<LinuxResources, CommandError> {
    let mut all = Map::new();
    let mut put = |group: &str, name: &str, value: Value| {
        let group = all.entry(group).or_insert_with(|| json!({}));
        group[name] = value;
    };
    for (flag, group, name) in NUMBERS {
        if let Some(number) = parsed.number::<i64>(flag)? {
            put(group, name, number.into());
        }
    }
    for (flag, name) in SIZES {
        if let Some(text) = parsed.value(flag) {
            let invalid = || format!("invalid value for {flag}: invalid size: {text:?}");
            let bytes = bytes(text).ok_or_else(|| CommandError::Usage(invalid()))?;
            put("memory", name, bytes.into());
        }
    }
    for (flag, name) in [("cpuset-cpus", "cpus"), ("cpuset-mems", "mems")] {
        if let Some(list) = parsed.value(flag) {
            put("cpu", name, list.into());
        }
    }
    // By the same way as a file's, which is compiled once.
    bundle::parse(&Value::from(all).to_string()).map_err(CommandError::Usage)
}

/// `64m`, `1.5GiB`, `4096`; -1 for no limit.
fn bytes(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let at = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = (text[..at].trim(), text[at..].to_ascii_lowercase());
    let shift = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let value = number.parse::<f64>().ok()? * (1_i64 << shift) as f64;
    (value >= 0.0 && value < i64::MAX as f64).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let all = [
            ("0", 0),
            ("4096", 4096),
            ("64m", 64 << 20),
            ("1.5GiB", 3 << 29),
            ("2kb", 2048),
            ("-1", -1),
        ];
        for (text, size) in all {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for bad in ["", "x", "1x", "-2", "m"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
