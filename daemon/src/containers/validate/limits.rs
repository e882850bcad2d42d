//! Limits: memory, CPU, block I/O, processes, ulimits.

use api_spec::container::HostConfig;

use super::{Error, invalid};
use crate::spec::{HostFacts, check_cpus, ulimit_type};

/// Less memory than this no container can start in, in bytes.
const MEMORY_MIN: i64 = 6 * 1024 * 1024;
/// The CFS period in microseconds.
const PERIOD: std::ops::RangeInclusive<i64> = 1_000..=1_000_000;
const NANO: f64 = 1e9;

/// Block I/O weights.
const IO_WEIGHTS: std::ops::RangeInclusive<u16> = 10..=1000;

/// Drops weights that the kernel does not have, with a warning as Docker does.
pub(in crate::containers) fn drop_io_weights(
    host_config: &mut HostConfig,
    facts: &HostFacts,
    warnings: &mut Vec<String>,
) {
    if facts.io_weight {
        return;
    }
    let mut warn = |what: &str, which: &str| {
        warnings.push(format!(
            "Your kernel does not support Block I/O {what} or the cgroup is not mounted. {which} discarded."
        ));
    };
    if host_config.blkio_weight != 0 {
        host_config.blkio_weight = 0;
        warn("weight", "Weight");
    }
    if host_config.blkio_weight_device.as_ref().is_some_and(|devices| !devices.is_empty()) {
        host_config.blkio_weight_device = Some(Vec::new());
        warn("weight_device", "Weight-device");
    }
}

fn io_weights(host_config: &HostConfig) -> Result<(), Error> {
    let weight = host_config.blkio_weight;
    if weight != 0 && !IO_WEIGHTS.contains(&weight) {
        return invalid("Range of blkio weight is from 10 to 1000");
    }
    for device in host_config.blkio_weight_device.iter().flatten() {
        if device.weight != 0 && !IO_WEIGHTS.contains(&device.weight) {
            let path = &device.path;
            return invalid(format!("Range of blkio weight of {path} is from 10 to 1000"));
        }
    }
    Ok(())
}

pub(super) fn check(host_config: &HostConfig, warnings: &mut Vec<String>) -> Result<(), Error> {
    memory(host_config, warnings)?;
    cpu(host_config)?;
    io_weights(host_config)?;
    for ulimit in host_config.ulimits.iter().flatten() {
        if ulimit_type(&ulimit.name).is_none() {
            return invalid(format!("invalid ulimit type: {}", ulimit.name));
        }
        let number = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
        if number(ulimit.soft) > number(ulimit.hard) {
            return invalid(format!(
                "ulimit soft limit must be less than or equal to hard limit: {} > {}",
                ulimit.soft, ulimit.hard
            ));
        }
    }
    if !(-1000..=1000).contains(&host_config.oom_score_adj) {
        return invalid(format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            host_config.oom_score_adj
        ));
    }
    Ok(())
}

fn memory(host_config: &HostConfig, warnings: &mut Vec<String>) -> Result<(), Error> {
    let (memory, swap) = (host_config.memory, host_config.memory_swap);
    let reservation = host_config.memory_reservation;
    if memory != 0 && memory < MEMORY_MIN {
        return invalid("Minimum memory limit allowed is 6MB");
    }
    if memory > 0 && swap > 0 && swap < memory {
        return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if memory == 0 && swap > 0 {
        return invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        );
    }
    if let Some(swappiness) = host_config.memory_swappiness
        && !(-1..=100).contains(&swappiness)
    {
        return invalid(format!(
            "Invalid value: {swappiness}, valid memory swappiness range is 0-100"
        ));
    }
    if reservation != 0 && reservation < MEMORY_MIN {
        return invalid("Minimum memory reservation allowed is 6MB");
    }
    if memory > 0 && reservation > 0 && memory < reservation {
        return invalid(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        );
    }
    if host_config.oom_kill_disable == Some(true) && memory == 0 {
        warnings.push(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system \
             running out of resources."
                .to_owned(),
        );
    }
    if host_config.shm_size < 0 {
        return invalid("SHM size can not be less than 0");
    }
    Ok(())
}

fn cpu(host_config: &HostConfig) -> Result<(), Error> {
    let (nano, period, quota) =
        (host_config.nano_cpus, host_config.cpu_period, host_config.cpu_quota);
    if nano != 0 && period > 0 {
        return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if nano != 0 && quota > 0 {
        return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    }
    let available = cpus();
    let asked = nano as f64 / NANO;
    if nano != 0 && (nano < 0 || asked > f64::from(available)) {
        return invalid(format!(
            "Range of CPUs is from 0.01 to {available}.00, as there are only {available} CPUs available"
        ));
    }
    if period != 0 && !PERIOD.contains(&period) {
        return invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if quota > 0 && quota < *PERIOD.start() {
        return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    if host_config.cpu_shares < 0 {
        return invalid(format!(
            "invalid CPU shares {}: they can not be negative",
            host_config.cpu_shares
        ));
    }
    let (period, runtime) = (host_config.cpu_realtime_period, host_config.cpu_realtime_runtime);
    if runtime != 0 && runtime > period && period != 0 {
        return invalid("cpu real-time runtime cannot be higher than cpu real-time period");
    }
    set_of(&host_config.cpuset_cpus, "cpus", "CPUs", available.saturating_sub(1))?;
    set_of(&host_config.cpuset_mems, "mems", "memory nodes", memory_nodes().saturating_sub(1))
}

fn set_of(list: &str, name: &str, what: &str, highest: u32) -> Result<(), Error> {
    if list.is_empty() {
        return Ok(());
    }
    match check_cpus(list) {
        None => invalid(format!("Invalid value {list} for cpuset {name}: invalid format: {list}")),
        Some(number) if number > highest => {
            let all = if highest == 0 { "0".to_owned() } else { format!("0-{highest}") };
            invalid(format!(
                "Requested {what} are not available - requested {list}, available: {all}"
            ))
        }
        Some(_) => Ok(()),
    }
}

/// CPUs of the host that are online.
fn cpus() -> u32 {
    let count = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or(1)
}

fn memory_nodes() -> u32 {
    let online = std::fs::read_to_string("/sys/devices/system/node/online");
    online.ok().and_then(|list| check_cpus(list.trim())).map_or(1, |highest| highest + 1)
}
