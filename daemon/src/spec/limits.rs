//! Memory, CPU, I/O and process limits, ulimits, and where the control group lies.

use api_spec::container::{HostConfig, Ulimit};
use oci_spec::runtime::{
    LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, PosixRlimit, PosixRlimitBuilder,
    PosixRlimitType,
};

use super::block_io::block_io;
use super::{HostFacts, Source, devices};

/// The period in which `NanoCpus` is granted, in microseconds.
const CPU_PERIOD: i64 = 100_000;
const NANO: i64 = 1_000_000_000;

/// Scopes of systemd are named after it and the container's id.
const SCOPE_PREFIX: &str = "jocker";

/// `linux.cgroupsPath`: parent and id, as a path or as the runtime names a unit of systemd.
pub(crate) fn cgroup_path(host_config: &HostConfig, host: &HostFacts, id: &str) -> String {
    let parent = match host_config.cgroup_parent.as_str() {
        "" => host.cgroup_parent.as_str(),
        parent => parent,
    };
    if host.cgroup_systemd {
        return format!("{parent}:{SCOPE_PREFIX}:{id}");
    }
    format!("/{}/{id}", parent.trim_matches('/'))
}

/// `linux.resources`.
pub(super) fn resources(source: &Source<'_>) -> LinuxResources {
    let mut resources = limits(source.host_config);
    resources
        .set_devices(Some(devices::rules(source)))
        .set_block_io(block_io(source.host_config, &source.devices.disks));
    resources
}

/// `linux.resources` without devices. A limit of processes that is not positive is none.
pub(crate) fn limits(host_config: &HostConfig) -> LinuxResources {
    let mut resources = LinuxResources::default();
    resources.set_block_io(block_io(host_config, &[]));
    resources.set_memory(memory(host_config)).set_cpu(cpu(host_config)).set_pids(
        host_config.pids_limit.map(|limit| {
            let mut pids = LinuxPids::default();
            pids.set_limit(if limit > 0 { limit } else { -1 });
            pids
        }),
    );
    resources
}

fn set(value: i64) -> Option<i64> {
    (value != 0).then_some(value)
}

fn memory(host_config: &HostConfig) -> Option<LinuxMemory> {
    let mut memory = LinuxMemory::default();
    memory
        .set_limit(set(host_config.memory))
        .set_reservation(set(host_config.memory_reservation))
        .set_swap(set(host_config.memory_swap))
        .set_swappiness(host_config.memory_swappiness.and_then(|value| u64::try_from(value).ok()))
        .set_disable_oom_killer(host_config.oom_kill_disable.filter(|disable| *disable));
    (memory != LinuxMemory::default()).then_some(memory)
}

fn cpu(host_config: &HostConfig) -> Option<LinuxCpu> {
    let (quota, period) = match host_config.nano_cpus {
        0 => (set(host_config.cpu_quota), set(host_config.cpu_period)),
        // 64 bits hold no product of a large count of CPUs and the period, hence the wider type.
        cpus => {
            let quota = i128::from(cpus) * i128::from(CPU_PERIOD) / i128::from(NANO);
            (Some(i64::try_from(quota).unwrap_or(i64::MAX)), Some(CPU_PERIOD))
        }
    };
    let text = |value: &String| Some(value.clone()).filter(|value| !value.is_empty());
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(set(host_config.cpu_shares).and_then(|shares| u64::try_from(shares).ok()))
        .set_quota(quota)
        .set_period(period.and_then(|period| u64::try_from(period).ok()))
        .set_realtime_period(
            set(host_config.cpu_realtime_period).and_then(|period| u64::try_from(period).ok()),
        )
        .set_realtime_runtime(set(host_config.cpu_realtime_runtime))
        .set_cpus(text(&host_config.cpuset_cpus))
        .set_mems(text(&host_config.cpuset_mems));
    (cpu != LinuxCpu::default()).then_some(cpu)
}

/// `process.rlimits`.
pub(super) fn rlimits(ulimits: &[Ulimit]) -> Vec<PosixRlimit> {
    let number = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    let limits = ulimits.iter().filter_map(|ulimit| {
        let limit = PosixRlimitBuilder::default()
            .typ(ulimit_type(&ulimit.name)?)
            .hard(number(ulimit.hard))
            .soft(number(ulimit.soft));
        limit.build().ok()
    });
    limits.collect()
}

/// The resource that a short name (`nofile`) means.
pub(crate) fn ulimit_type(name: &str) -> Option<PosixRlimitType> {
    const NAMES: [&str; 16] = [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
        "as",
    ];
    if !NAMES.contains(&name) {
        return None;
    }
    format!("RLIMIT_{}", name.to_ascii_uppercase()).parse().ok()
}

/// Whether `list` (`0-2,4`) is well-formed, and its highest number.
pub(crate) fn check_cpus(list: &str) -> Option<u32> {
    let mut highest = 0;
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last {
            return None;
        }
        highest = highest.max(last);
    }
    Some(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_become_quota_and_period() {
        let host_config = HostConfig { nano_cpus: 500_000_000, ..HostConfig::default() };
        let cpu = cpu(&host_config).unwrap();
        assert_eq!((cpu.quota(), cpu.period()), (Some(50_000), Some(100_000)));
        assert!(super::cpu(&HostConfig::default()).is_none());
    }

    #[test]
    fn ulimits_are_named_in_short() {
        assert_eq!(ulimit_type("nofile"), Some(PosixRlimitType::RlimitNofile));
        assert_eq!(ulimit_type("NOFILE"), None);
        let ulimit = Ulimit { name: "core".into(), hard: -1, soft: 5 };
        let limit = rlimits(&[ulimit])[0];
        assert_eq!((limit.hard(), limit.soft()), (u64::MAX, 5));
    }

    #[test]
    fn cpu_lists() {
        assert_eq!(check_cpus("0-2,4"), Some(4));
        assert_eq!(check_cpus("0"), Some(0));
        assert_eq!(check_cpus("2-1"), None);
        assert_eq!(check_cpus("a"), None);
        assert_eq!(check_cpus(""), None);
    }
}
