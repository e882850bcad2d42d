//! What a container uses, read from its groups.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::CgroupError;
use super::files::{keyed, read_or_empty};

/// Usage of one container at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    pub cpu: CpuStats,
    pub memory: MemoryStats,
    pub pids: PidsStats,
    pub io: Vec<BlockIo>,
}

/// Processor time, all in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuStats {
    pub total: u64,
    pub user: u64,
    pub system: u64,
    /// By processor; version 1 only.
    pub per_cpu: Vec<u64>,
    pub throttling: Throttling,
}

/// How often a quota was used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    pub periods: u64,
    pub throttled_periods: u64,
    /// Nanoseconds.
    pub throttled_time: u64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryStats {
    pub usage: u64,
    /// Highest usage so far, where the kernel keeps it.
    pub max_usage: Option<u64>,
    /// `None` when there is no limit.
    pub limit: Option<u64>,
    /// How often the limit was hit.
    pub failures: u64,
    /// `memory.stat` as the kernel gives it.
    pub detail: BTreeMap<String, u64>,
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidsStats {
    pub current: u64,
    /// `None` when there is no limit.
    pub limit: Option<u64>,
}

/// Transfers of one block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockIo {
    pub major: u64,
    pub minor: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub read_operations: u64,
    pub write_operations: u64,
}

/// Version 1 reports "no limit" as the highest multiple of a page.
const NO_LIMIT_V1: u64 = 1 << 62;

/// Version 2 reports processor time in microseconds.
const NANOSECONDS: u64 = 1000;

/// Reads version 1's files; `of` names the directory of a controller.
pub(super) fn version_1<'a>(of: impl Fn(&str) -> Option<&'a Path>) -> Result<Stats, CgroupError> {
    let text = |controller: &str, file: &str| {
        of(controller).map(|directory| read_or_empty(&directory.join(file))).unwrap_or_default()
    };
    let one = |controller: &str, file: &str| text(controller, file).trim().parse().ok();
    let cpu = text("cpu", "cpu.stat");
    Ok(Stats {
        cpu: CpuStats {
            total: one("cpuacct", "cpuacct.usage").unwrap_or(0),
            user: one("cpuacct", "cpuacct.usage_user").unwrap_or(0),
            system: one("cpuacct", "cpuacct.usage_sys").unwrap_or(0),
            per_cpu: text("cpuacct", "cpuacct.usage_percpu")
                .split_whitespace()
                .filter_map(|time| time.parse().ok())
                .collect(),
            throttling: Throttling {
                periods: keyed(&cpu, "nr_periods").unwrap_or(0),
                throttled_periods: keyed(&cpu, "nr_throttled").unwrap_or(0),
                throttled_time: keyed(&cpu, "throttled_time").unwrap_or(0),
            },
        },
        memory: MemoryStats {
            usage: one("memory", "memory.usage_in_bytes").unwrap_or(0),
            max_usage: one("memory", "memory.max_usage_in_bytes"),
            limit: one("memory", "memory.limit_in_bytes").filter(|limit| *limit < NO_LIMIT_V1),
            failures: one("memory", "memory.failcnt").unwrap_or(0),
            detail: all_keyed(&text("memory", "memory.stat")),
        },
        pids: PidsStats {
            current: one("pids", "pids.current").unwrap_or(0),
            limit: one("pids", "pids.max"),
        },
        io: throttle_io(
            &text("blkio", "blkio.throttle.io_service_bytes_recursive"),
            &text("blkio", "blkio.throttle.io_serviced_recursive"),
        ),
    })
}

/// Reads version 2's files.
pub(super) fn version_2(directory: &Path) -> Result<Stats, CgroupError> {
    let text = |file: &str| read_or_empty(&directory.join(file));
    let one = |file: &str| text(file).trim().parse().ok();
    let cpu = text("cpu.stat");
    let time = |key: &str| keyed(&cpu, key).unwrap_or(0) * NANOSECONDS;
    Ok(Stats {
        cpu: CpuStats {
            total: time("usage_usec"),
            user: time("user_usec"),
            system: time("system_usec"),
            per_cpu: Vec::new(),
            throttling: Throttling {
                periods: keyed(&cpu, "nr_periods").unwrap_or(0),
                throttled_periods: keyed(&cpu, "nr_throttled").unwrap_or(0),
                throttled_time: time("throttled_usec"),
            },
        },
        memory: MemoryStats {
            usage: one("memory.current").unwrap_or(0),
            max_usage: one("memory.peak"),
            limit: one("memory.max"),
            failures: keyed(&text("memory.events"), "max").unwrap_or(0),
            detail: all_keyed(&text("memory.stat")),
        },
        pids: PidsStats { current: one("pids.current").unwrap_or(0), limit: one("pids.max") },
        io: io_stat(&text("io.stat")),
    })
}

fn all_keyed(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

fn device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Lines `8:0 Read 4096` of bytes and of operations.
fn throttle_io(bytes: &str, operations: &str) -> Vec<BlockIo> {
    let mut devices: BTreeMap<(u64, u64), BlockIo> = BTreeMap::new();
    for (text, counts_bytes) in [(bytes, true), (operations, false)] {
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(name), Some(what), Some(Ok(value))) =
                (words.next().and_then(device), words.next(), words.next().map(str::parse))
            else {
                continue;
            };
            let io = devices.entry(name).or_default();
            (io.major, io.minor) = name;
            match (what, counts_bytes) {
                ("Read", true) => io.read_bytes = value,
                ("Write", true) => io.write_bytes = value,
                ("Read", false) => io.read_operations = value,
                ("Write", false) => io.write_operations = value,
                _ => {}
            }
        }
    }
    devices.into_values().collect()
}

/// Lines `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 …`.
fn io_stat(text: &str) -> Vec<BlockIo> {
    let line = |line: &str| {
        let (name, pairs) = line.split_once(' ')?;
        let (major, minor) = device(name)?;
        let of = |key: &str| {
            let mut pairs = pairs.split(' ').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == key).and_then(|(_, value)| value.parse().ok())
        };
        Some(BlockIo {
            major,
            minor,
            read_bytes: of("rbytes")?,
            write_bytes: of("wbytes")?,
            read_operations: of("rios")?,
            write_operations: of("wios")?,
        })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_devices() {
        let one = throttle_io(
            "8:0 Read 4096\n8:0 Write 10\n8:0 Total 4106\nTotal 4106\n",
            "8:0 Read 1\n8:0 Write 2\n",
        );
        let two = io_stat("8:0 rbytes=4096 wbytes=10 rios=1 wios=2 dbytes=0 dios=0\n259:1 \nx\n");
        assert_eq!(one, two);
        assert_eq!((one.len(), one[0].major, one[0].write_operations), (1, 8, 2));
    }
}
