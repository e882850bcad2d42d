//! Writes for version 1 and hybrid hosts; cgroup-v1/{memory,cpusets,blkio-controller,pids}.rst.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxNetwork, LinuxResources};

use super::{Writes, invalid, unsupported};
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
        let limit = pids.limit();
        let value = if limit > 0 { limit.to_string() } else { "max".to_owned() };
        writes.push("pids.limit", "pids", "pids.max", value)?;
    }
    if let Some(io) = resources.block_io() {
        limit_io(&mut writes, io)?;
    }
    if let Some(network) = resources.network() {
        mark_network(&mut writes, network)?;
    }
    for limit in resources.hugepage_limits().iter().flatten() {
        limit_huge_pages(&mut writes, limit.page_size(), limit.limit())?;
    }
    if resources.rdma().as_ref().is_some_and(|rdma| !rdma.is_empty()) {
        return Err(unsupported("rdma", "rdma limits"));
    }
    if resources.unified().as_ref().is_some_and(|unified| !unified.is_empty()) {
        return Err(unsupported("unified", "the host has version 1 control groups"));
    }
    Ok(writes.writes)
}

/// The limit has to stand before the limit with swap: the kernel keeps limit <= limit with swap.
fn limit_memory(writes: &mut Writes<'_>, memory: &LinuxMemory) -> Result<(), PlanError> {
    let set = |value: Option<i64>| value.filter(|value| *value != 0);
    let (limit, swap) = (set(memory.limit()), set(memory.swap()));
    if let (Some(limit), Some(swap)) = (limit, swap)
        && swap > 0
        && swap < limit
    {
        return Err(invalid("memory.swap", format!("{swap} is less than the limit, {limit}")));
    }
    writes.push_some("memory.limit", "memory", "memory.limit_in_bytes", limit)?;
    writes.push_some("memory.swap", "memory", "memory.memsw.limit_in_bytes", swap)?;
    let reservation = set(memory.reservation());
    writes.push_some("memory.reservation", "memory", "memory.soft_limit_in_bytes", reservation)?;
    let tcp = set(memory.kernel_tcp());
    writes.push_some("memory.kernelTCP", "memory", "memory.kmem.tcp.limit_in_bytes", tcp)?;
    let swappiness = memory.swappiness();
    writes.push_some("memory.swappiness", "memory", "memory.swappiness", swappiness)?;
    if memory.disable_oom_killer() == Some(true) {
        writes.push("memory.disableOOMKiller", "memory", "memory.oom_control", 1)?;
    }
    Ok(())
}

fn limit_cpu(writes: &mut Writes<'_>, cpu: &LinuxCpu) -> Result<(), PlanError> {
    let shares = cpu.shares().filter(|shares| *shares != 0);
    writes.push_some("cpu.shares", "cpu", "cpu.shares", shares)?;
    let period = cpu.period().filter(|period| *period != 0);
    writes.push_some("cpu.period", "cpu", "cpu.cfs_period_us", period)?;
    let quota = cpu.quota().filter(|quota| *quota != 0);
    writes.push_some("cpu.quota", "cpu", "cpu.cfs_quota_us", quota)?;
    let burst = cpu.burst().filter(|burst| *burst != 0);
    writes.push_some("cpu.burst", "cpu", "cpu.cfs_burst_us", burst)?;
    let period = cpu.realtime_period().filter(|period| *period != 0);
    writes.push_some("cpu.realtimePeriod", "cpu", "cpu.rt_period_us", period)?;
    let runtime = cpu.realtime_runtime().filter(|runtime| *runtime != 0);
    writes.push_some("cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us", runtime)?;
    writes.push_some("cpu.idle", "cpu", "cpu.idle", cpu.idle())?;
    let cpus = cpu.cpus().as_deref().filter(|cpus| !cpus.is_empty());
    writes.push_some("cpu.cpus", "cpuset", "cpuset.cpus", cpus)?;
    let mems = cpu.mems().as_deref().filter(|mems| !mems.is_empty());
    writes.push_some("cpu.mems", "cpuset", "cpuset.mems", mems)
}

fn limit_io(writes: &mut Writes<'_>, io: &LinuxBlockIo) -> Result<(), PlanError> {
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        writes.push("blockIO.weight", "blkio", "blkio.weight", weight)?;
        writes.or_file("blkio.bfq.weight");
    }
    let leaf = io.leaf_weight().filter(|weight| *weight != 0);
    writes.push_some("blockIO.leafWeight", "blkio", "blkio.leaf_weight", leaf)?;
    for device in io.weight_device().iter().flatten() {
        let Some(weight) = device.weight() else { continue };
        let value = format!("{}:{} {weight}", device.major(), device.minor());
        writes.push("blockIO.weightDevice", "blkio", "blkio.weight_device", value)?;
        writes.or_file("blkio.bfq.weight_device");
    }
    let throttles = [
        (io.throttle_read_bps_device(), "read_bps_device"),
        (io.throttle_write_bps_device(), "write_bps_device"),
        (io.throttle_read_iops_device(), "read_iops_device"),
        (io.throttle_write_iops_device(), "write_iops_device"),
    ];
    for (devices, name) in throttles {
        for device in devices.iter().flatten() {
            let value = format!("{}:{} {}", device.major(), device.minor(), device.rate());
            writes.push("blockIO", "blkio", format!("blkio.throttle.{name}"), value)?;
        }
    }
    Ok(())
}

fn mark_network(writes: &mut Writes<'_>, network: &LinuxNetwork) -> Result<(), PlanError> {
    let class = network.class_id().filter(|class| *class != 0);
    writes.push_some("network.classID", "net_cls", "net_cls.classid", class)?;
    for priority in network.priorities().iter().flatten() {
        let value = format!("{} {}", priority.name(), priority.priority());
        writes.push("network.priorities", "net_prio", "net_prio.ifpriomap", value)?;
    }
    Ok(())
}

/// On hybrid hosts, huge pages may be limited in the version 2 hierarchy.
fn limit_huge_pages(writes: &mut Writes<'_>, page_size: &str, limit: i64) -> Result<(), PlanError> {
    let page_size = super::page_size(page_size)?;
    let file = if writes.layout.hierarchy("hugetlb").is_some() {
        format!("hugetlb.{page_size}.limit_in_bytes")
    } else {
        format!("hugetlb.{page_size}.max")
    };
    writes.push("hugepageLimits", "hugetlb", file, limit)
}
