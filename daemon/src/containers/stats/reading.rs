//! One sample of one container, and how clients see it.

use std::collections::BTreeMap;
use std::fs;

use api_spec::container::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats,
    StatsResponse, ThrottlingData, ZERO_TIME,
};
use runtime::cgroup::{BlockIo, Cgroup, Stats};

use super::Service;
use crate::containers::handle::Handle;
use crate::spec::{Mode, cgroup_path, mode};

/// Nanoseconds of one of the hundredths of a second that `/proc/stat` counts; proc_stat(5).
const TICK: u64 = 10_000_000;
/// The columns of `/proc/stat` that add up to all time: the rest is in them already.
const TIMES: usize = 7;
/// The interface that never leaves a container.
const LOOPBACK: &str = "lo";

/// One sample.
#[derive(Debug)]
pub(super) struct Reading {
    /// RFC 3339.
    time: String,
    /// `None`: the container does not run.
    usage: Option<Usage>,
}

#[derive(Debug)]
struct Usage {
    stats: Stats,
    /// Of the whole host, in nanoseconds.
    system_cpu: u64,
    online_cpus: u64,
    memory_limit: u64,
    networks: Option<BTreeMap<String, NetworkStats>>,
}

impl Reading {
    /// Reads it now. Blocking.
    pub(super) fn take(service: &Service, handle: &Handle) -> Self {
        let seen = handle.snapshot();
        let usage = seen.progress.state.running().and_then(|running| {
            let host_config = &handle.definition.host_config;
            let path = cgroup_path(host_config, &service.facts, handle.id());
            let stats = Cgroup::open(&path, &service.host.layout).stats().ok()?;
            let (system_cpu, online_cpus) = system_cpu();
            let memory = crate::host::memory_bytes();
            Some(Usage {
                memory_limit: stats.memory.limit.unwrap_or(memory).min(memory),
                networks: match mode(&host_config.network_mode) {
                    Mode::Host => None,
                    _ => networks(running.pid),
                },
                stats,
                system_cpu,
                online_cpus,
            })
        });
        Self { time: jiff::Timestamp::now().to_string(), usage }
    }
}

/// Docker's view of a sample and the one before it.
pub(super) fn response(
    handle: &Handle,
    now: &Reading,
    before: Option<&Reading>,
    version_2: bool,
) -> StatsResponse {
    let mut response = StatsResponse {
        read: ZERO_TIME.to_owned(),
        preread: ZERO_TIME.to_owned(),
        name: format!("/{}", handle.snapshot().name),
        id: handle.id().to_owned(),
        ..StatsResponse::default()
    };
    let Some(usage) = &now.usage else { return response };
    response.read.clone_from(&now.time);
    response.cpu_stats = cpu(usage);
    response.memory_stats = memory(usage, version_2);
    response.pids_stats =
        PidsStats { current: Some(usage.stats.pids.current), limit: usage.stats.pids.limit };
    response.blkio_stats = blkio(&usage.stats.io, version_2);
    response.networks.clone_from(&usage.networks);
    if let Some((time, before)) =
        before.and_then(|before| Some((&before.time, before.usage.as_ref()?)))
    {
        response.preread.clone_from(time);
        response.precpu_stats = cpu(before);
    }
    response
}

fn cpu(usage: &Usage) -> CpuStats {
    let cpu = &usage.stats.cpu;
    CpuStats {
        cpu_usage: CpuUsage {
            total_usage: cpu.total,
            percpu_usage: cpu.per_cpu.clone(),
            usage_in_kernelmode: cpu.system,
            usage_in_usermode: cpu.user,
        },
        system_cpu_usage: usage.system_cpu,
        online_cpus: usage.online_cpus,
        throttling_data: ThrottlingData {
            periods: cpu.throttling.periods,
            throttled_periods: cpu.throttling.throttled_periods,
            throttled_time: cpu.throttling.throttled_time,
        },
    }
}

fn memory(usage: &Usage, version_2: bool) -> MemoryStats {
    let memory = &usage.stats.memory;
    let own = |(name, value): (&String, &u64)| (name.clone(), *value);
    MemoryStats {
        usage: memory.usage,
        max_usage: memory.max_usage.filter(|_| !version_2).unwrap_or(0),
        stats: memory
            .detail
            .iter()
            .filter(|(name, _)| version_2 || is_told(name))
            .map(own)
            .collect(),
        failcnt: if version_2 { 0 } else { memory.failures },
        limit: usage.memory_limit,
    }
}

/// What dockerd tells of version 1's `memory.stat`, of the group alone and with those below it.
fn is_told(name: &str) -> bool {
    let told = "active_anon active_file cache dirty hierarchical_memory_limit hierarchical_memsw_limit \
                inactive_anon inactive_file mapped_file pgfault pgmajfault pgpgin pgpgout rss rss_huge \
                unevictable writeback";
    let name = name.strip_prefix("total_").unwrap_or(name);
    told.split_whitespace().any(|told| told == name)
}

/// Version 2 hosts count bytes alone here, as dockerd does.
fn blkio(devices: &[BlockIo], version_2: bool) -> BlkioStats {
    let entries = |read: fn(&BlockIo) -> u64, write: fn(&BlockIo) -> u64| {
        let rows = devices.iter().flat_map(|device| {
            let (read, write) = (read(device), write(device));
            let all = [("Read", read), ("Write", write), ("Total", read + write)];
            let count = if version_2 { 2 } else { 3 };
            all.into_iter().take(count).map(|(op, value)| BlkioEntry {
                major: device.major,
                minor: device.minor,
                op: if version_2 { op.to_ascii_lowercase() } else { op.to_owned() },
                value,
            })
        });
        Some(rows.collect::<Vec<_>>())
    };
    let bytes = entries(|device| device.read_bytes, |device| device.write_bytes);
    if version_2 {
        return BlkioStats { io_service_bytes_recursive: bytes, ..BlkioStats::default() };
    }
    let none = Some(Vec::new());
    BlkioStats {
        io_service_bytes_recursive: bytes,
        io_serviced_recursive: entries(
            |device| device.read_operations,
            |device| device.write_operations,
        ),
        io_queue_recursive: none.clone(),
        io_service_time_recursive: none.clone(),
        io_wait_time_recursive: none.clone(),
        io_merged_recursive: none.clone(),
        io_time_recursive: none.clone(),
        sectors_recursive: none,
    }
}

/// All processors' time in nanoseconds, and how many there are.
fn system_cpu() -> (u64, u64) {
    host_times(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

fn host_times(text: &str) -> (u64, u64) {
    let cpus = text.lines().take_while(|line| line.starts_with("cpu"));
    let sum = text.lines().next().map_or(0, |line| {
        let times = line.split_ascii_whitespace().skip(1).take(TIMES);
        times.filter_map(|time| time.parse::<u64>().ok()).sum::<u64>()
    });
    let count = u64::try_from(cpus.count()).unwrap_or_default();
    (sum.saturating_mul(TICK), count.saturating_sub(1))
}

/// The interfaces of a process's network namespace; proc_pid_net(5).
fn networks(pid: i32) -> Option<BTreeMap<String, NetworkStats>> {
    let interfaces = interfaces(&fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?);
    (!interfaces.is_empty()).then_some(interfaces)
}

fn interfaces(text: &str) -> BTreeMap<String, NetworkStats> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<u64> =
            numbers.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [rx_bytes, rx_packets, rx_errors, rx_dropped, _, _, _, _, rest @ ..] = &numbers[..]
        else {
            return None;
        };
        let [tx_bytes, tx_packets, tx_errors, tx_dropped, ..] = *rest else { return None };
        let stats = NetworkStats {
            rx_bytes: *rx_bytes,
            rx_packets: *rx_packets,
            rx_errors: *rx_errors,
            rx_dropped: *rx_dropped,
            tx_bytes,
            tx_packets,
            tx_errors,
            tx_dropped,
        };
        Some((name.trim().to_owned(), stats))
    };
    text.lines().filter_map(line).filter(|(name, _)| name != LOOPBACK).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_s_times() {
        let text = "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1\ncpu1 1 1\nintr 5\n";
        assert_eq!(host_times(text), (28 * TICK, 2));
        assert_eq!(host_times(""), (0, 0));
    }

    #[test]
    fn interfaces_but_the_loopback() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets\n\
                    lo: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n\
                    eth0:     486       5    1    2    0     0          0         0      70       6 3 4 0 0 0 0\n";
        let found = interfaces(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["eth0"]);
        let eth0 = found["eth0"];
        assert_eq!(
            (eth0.rx_bytes, eth0.rx_dropped, eth0.tx_bytes, eth0.tx_dropped),
            (486, 2, 70, 4)
        );
    }

    #[test]
    fn versions_differ_in_their_words() {
        let device = BlockIo { major: 8, read_bytes: 5, write_operations: 2, ..BlockIo::default() };
        let one = blkio(std::slice::from_ref(&device), false);
        let words: Vec<_> = one.io_serviced_recursive.unwrap().into_iter().map(|e| e.op).collect();
        assert_eq!(words, ["Read", "Write", "Total"]);
        let two = blkio(&[device], true);
        assert_eq!(two.io_service_bytes_recursive.unwrap()[0].op, "read");
        assert!(two.io_serviced_recursive.is_none());
    }
}
