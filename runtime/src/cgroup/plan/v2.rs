//! Writes for version 2; cgroup-v2.rst.

use std::collections::BTreeMap;

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources};

use super::{Writes, convert, invalid, unsupported};
use crate::cgroup::{Layout, Write};
use crate::plan::PlanError;

pub(super) fn limits(resources: &LinuxResources, layout: &Layout) -> Result<Vec<Write>, PlanError> {
    let mut writes = Writes { layout, writes: Vec::new() };
    if let Some(memory) = resources.memory() {
        limit_memory(&mut writes, memory)?;
    }
    if let Some(cpu) = resources.cpu() {
        limit_cpu(&mut writes, cpu)?;
    }
    if let Some(pids) = resources.pids().filter(|pids| pids.limit() != 0) {
        writes.push("pids.limit", "pids", "pids.max", or_max(pids.limit()))?;
    }
    if let Some(io) = resources.block_io() {
        limit_io(&mut writes, io)?;
    }
    for limit in resources.hugepage_limits().iter().flatten() {
        let size = super::page_size(limit.page_size())?;
        writes.push("hugepageLimits", "hugetlb", format!("hugetlb.{size}.max"), limit.limit())?;
    }
    let marks = resources.network().as_ref().is_some_and(|network| {
        network.class_id().is_some_and(|class| class != 0)
            || network.priorities().as_ref().is_some_and(|priorities| !priorities.is_empty())
    });
    if marks {
        return Err(unsupported("network", "the host has version 2 control groups"));
    }
    if resources.rdma().as_ref().is_some_and(|rdma| !rdma.is_empty()) {
        return Err(unsupported("rdma", "rdma limits"));
    }
    let unified: BTreeMap<_, _> = resources.unified().iter().flatten().collect();
    for (file, value) in unified {
        let Some((controller, _)) = file.split_once('.').filter(|_| !file.contains('/')) else {
            return Err(invalid("unified", format!("{file:?} is not a file of a control group")));
        };
        if controller == "cgroup" {
            return Err(unsupported("unified", "files of the core interface"));
        }
        writes.push("unified", controller, file.clone(), value)?;
    }
    Ok(writes.writes)
}

/// `max` for what is not limited.
fn or_max(limit: i64) -> String {
    if limit >= 0 { limit.to_string() } else { "max".to_owned() }
}

/// The spec's swap is memory and swap together; version 2 limits swap alone.
fn limit_memory(writes: &mut Writes<'_>, memory: &LinuxMemory) -> Result<(), PlanError> {
    let set = |value: Option<i64>| value.filter(|value| *value != 0);
    let limit = set(memory.limit());
    if let Some(swap) = set(memory.swap()) {
        let swap = match (swap, limit) {
            (-1, _) => -1,
            (swap, Some(limit)) if limit > 0 && swap >= limit => swap - limit,
            (swap, _) => {
                return Err(invalid("memory.swap", format!("{swap} without a smaller limit")));
            }
        };
        writes.push("memory.swap", "memory", "memory.swap.max", or_max(swap))?;
    }
    writes.push_some("memory.limit", "memory", "memory.max", limit.map(or_max))?;
    let low = set(memory.reservation()).map(or_max);
    writes.push_some("memory.reservation", "memory", "memory.low", low)?;
    if memory.disable_oom_killer() == Some(true) {
        return Err(unsupported(
            "memory.disableOOMKiller",
            "the host has version 2 control groups",
        ));
    }
    Ok(())
}

fn limit_cpu(writes: &mut Writes<'_>, cpu: &LinuxCpu) -> Result<(), PlanError> {
    /// The kernel's own period, in microseconds.
    const PERIOD_DEFAULT: u64 = 100_000;
    if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
        writes.push("cpu.shares", "cpu", "cpu.weight", convert::shares_to_weight(shares))?;
    }
    let quota = cpu.quota().filter(|quota| *quota != 0);
    let period = cpu.period().filter(|period| *period != 0);
    if quota.is_some() || period.is_some() {
        let quota = or_max(quota.unwrap_or(-1));
        let value = format!("{quota} {}", period.unwrap_or(PERIOD_DEFAULT));
        writes.push("cpu.quota", "cpu", "cpu.max", value)?;
    }
    let burst = cpu.burst().filter(|burst| *burst != 0);
    writes.push_some("cpu.burst", "cpu", "cpu.max.burst", burst)?;
    let realtime = cpu.realtime_period().unwrap_or(0) != 0;
    if realtime || cpu.realtime_runtime().unwrap_or(0) != 0 {
        return Err(unsupported("cpu.realtimeRuntime", "the host has version 2 control groups"));
    }
    writes.push_some("cpu.idle", "cpu", "cpu.idle", cpu.idle())?;
    let cpus = cpu.cpus().as_deref().filter(|cpus| !cpus.is_empty());
    writes.push_some("cpu.cpus", "cpuset", "cpuset.cpus", cpus)?;
    let mems = cpu.mems().as_deref().filter(|mems| !mems.is_empty());
    writes.push_some("cpu.mems", "cpuset", "cpuset.mems", mems)
}

fn limit_io(writes: &mut Writes<'_>, io: &LinuxBlockIo) -> Result<(), PlanError> {
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        let value = format!("default {}", convert::io_weight(weight));
        writes.push("blockIO.weight", "io", "io.weight", value)?;
        writes.or_file("io.bfq.weight");
    }
    if io.leaf_weight().is_some_and(|weight| weight != 0) {
        return Err(unsupported("blockIO.leafWeight", "the host has version 2 control groups"));
    }
    for device in io.weight_device().iter().flatten() {
        let Some(weight) = device.weight() else { continue };
        let weight = convert::io_weight(weight);
        let value = format!("{}:{} {weight}", device.major(), device.minor());
        writes.push("blockIO.weightDevice", "io", "io.weight", value)?;
        writes.or_file("io.bfq.weight");
    }
    let throttles = [
        (io.throttle_read_bps_device(), "rbps"),
        (io.throttle_write_bps_device(), "wbps"),
        (io.throttle_read_iops_device(), "riops"),
        (io.throttle_write_iops_device(), "wiops"),
    ];
    for (devices, key) in throttles {
        for device in devices.iter().flatten() {
            let value = format!("{}:{} {key}={}", device.major(), device.minor(), device.rate());
            writes.push("blockIO", "io", "io.max", value)?;
        }
    }
    Ok(())
}
