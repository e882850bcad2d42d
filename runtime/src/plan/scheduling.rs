//! Scheduling, I/O priority and execution domain of a plan's program, as the kernel's numbers.

use oci_spec::runtime::{
    IOPriorityClass, Linux, LinuxIOPriority, LinuxPersonalityDomain, LinuxSchedulerFlag,
    LinuxSchedulerPolicy,
};

use super::compile::invalid;
use super::refuse::unsupported;
use super::{PlanError, Scheduler};

/// Where the class stands in the value of ioprio_set(2).
const CLASS_SHIFT: u32 = 13;

/// Nice values; sched(7).
const NICE: std::ops::RangeInclusive<i32> = -20..=19;

/// `process.scheduler`; sched_setattr(2).
pub(super) fn scheduler(
    scheduler: Option<&oci_spec::runtime::Scheduler>,
    at: &str,
) -> Result<Option<Scheduler>, PlanError> {
    let Some(wanted) = scheduler else {
        return Ok(None);
    };
    let policy = match wanted.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    let nice = wanted.nice().unwrap_or(0);
    if !NICE.contains(&nice) {
        return Err(invalid(format!("{at}.scheduler.nice"), "not in the range -20 to 19"));
    }
    let priority = u32::try_from(wanted.priority().unwrap_or(0))
        .map_err(|_| invalid(format!("{at}.scheduler.priority"), "below zero"))?;
    let flags = wanted.flags().iter().flatten().fold(0, |flags, flag| {
        flags
            | match flag {
                LinuxSchedulerFlag::SchedResetOnFork => 0x01,
                LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
                LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
                LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
                LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
                LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
                LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
            }
    });
    Ok(Some(Scheduler {
        policy,
        flags,
        nice,
        priority,
        runtime: wanted.runtime().unwrap_or(0),
        deadline: wanted.deadline().unwrap_or(0),
        period: wanted.period().unwrap_or(0),
    }))
}

/// `process.ioPriority` as the value of ioprio_set(2).
pub(super) fn io_priority(
    wanted: Option<&LinuxIOPriority>,
    at: &str,
) -> Result<Option<u32>, PlanError> {
    let Some(wanted) = wanted else {
        return Ok(None);
    };
    let class: u32 = match wanted.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    let level = u32::try_from(wanted.priority()).ok().filter(|level| *level <= 7);
    let level = level
        .ok_or_else(|| invalid(format!("{at}.ioPriority.priority"), "not in the range 0 to 7"))?;
    Ok(Some(class << CLASS_SHIFT | level))
}

/// `linux.personality` as the value of personality(2).
pub(super) fn personality(linux: &Linux) -> Result<Option<u32>, PlanError> {
    let Some(wanted) = linux.personality() else {
        return Ok(None);
    };
    if wanted.flags().as_ref().is_some_and(|flags| !flags.is_empty()) {
        return Err(unsupported("linux.personality.flags", "flags"));
    }
    Ok(Some(match wanted.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    }))
}
