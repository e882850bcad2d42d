//! OCI `linux.seccomp` in, a filter out.
//!
//! Numbers with the same verdict side by side become one range, and the filter is a binary search
//! among ranges: Docker's default, four hundred calls on three architectures, takes some hundred
//! steps of memory and about eight comparisons a call.

use std::collections::BTreeMap;
use std::sync::Mutex;

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag,
    LinuxSeccompOperator, LinuxSyscall,
};

use super::bpf::{self, Comparison, Test, Verdict};
use super::numbers::{Abi, X32_BIT};
use super::{Instruction, Program, SeccompError};

const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const AUDIT_ARCH_I386: u32 = 0x4000_0003;

/// Longest program that the kernel takes; `BPF_MAXINSNS`.
const INSTRUCTIONS_MAX: usize = 4096;

/// How many compiled profiles are kept.
const CACHE_MAX: usize = 16;

/// errno for calls newer than the profile.
const ENOSYS: u32 = 38;

/// errno where a profile says none.
const EPERM: u32 = 1;

/// Highest errno; what is above is no error to a caller.
const ERRNO_MAX: u32 = 4095;

static CACHE: Mutex<Vec<(LinuxSeccomp, Program)>> = Mutex::new(Vec::new());

/// Compiles a profile. The last few are remembered: containers with the same capabilities share one.
pub fn compile(profile: &LinuxSeccomp) -> Result<Program, SeccompError> {
    let lock = || CACHE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, program)) = lock().iter().find(|(known, _)| known == profile) {
        return Ok(program.clone());
    }
    let program = compile_anew(profile)?;
    let mut cache = lock();
    if cache.len() == CACHE_MAX {
        cache.remove(0);
    }
    cache.push((profile.clone(), program.clone()));
    Ok(program)
}

fn compile_anew(profile: &LinuxSeccomp) -> Result<Program, SeccompError> {
    let default = action(profile.default_action(), profile.default_errno_ret())?;
    let abis = Abi::of(profile.architectures().as_deref().unwrap_or_default())?;
    let rules = profile.syscalls().as_deref().unwrap_or_default();
    let mut instructions = vec![bpf::load_arch()];
    for (arch, members) in
        [(AUDIT_ARCH_X86_64, [Abi::X86_64, Abi::X32].as_slice()), (AUDIT_ARCH_I386, &[Abi::I386])]
    {
        let members: Vec<Abi> = members.iter().copied().filter(|abi| abis.contains(abi)).collect();
        if members.is_empty() {
            continue;
        }
        let ranges = ranges(&members, rules, default)?;
        let mut branch = vec![bpf::load_number()];
        branch.extend(bpf::search(&ranges));
        instructions.extend(bpf::if_equal(arch, branch));
    }
    instructions.push(bpf::ret(libc::SECCOMP_RET_KILL_PROCESS));
    check_length(&instructions)?;
    let listener = if notifies(profile)? { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    Ok(Program { flags: flags(profile) | listener, instructions })
}

/// Whether the profile has calls answered by a listener. The runtime has to be able to say so.
fn notifies(profile: &LinuxSeccomp) -> Result<bool, SeccompError> {
    let notify = LinuxSeccompAction::ScmpActNotify;
    let rules = profile.syscalls().iter().flatten();
    let mut notified = rules.filter(|rule| rule.action() == notify).peekable();
    let any = notified.peek().is_some();
    let write = notified.any(|rule| rule.names().iter().any(|name| name == "write"));
    if write || profile.default_action() == notify {
        return Err(SeccompError::Notify);
    }
    Ok(any)
}

fn check_length(instructions: &[Instruction]) -> Result<(), SeccompError> {
    if instructions.len() > INSTRUCTIONS_MAX {
        return Err(SeccompError::TooLong(instructions.len()));
    }
    Ok(())
}

/// All numbers of one architecture as ranges with their verdicts, ascending and without gaps.
fn ranges(
    abis: &[Abi],
    rules: &[LinuxSyscall],
    default: u32,
) -> Result<Vec<(u32, Verdict)>, SeccompError> {
    let plain = |value: u32| Verdict { rules: Vec::new(), otherwise: value };
    let mut ranges: Vec<(u32, Verdict)> = vec![(0, plain(default))];
    let mut push = |first: u32, verdict: Verdict| match ranges.last_mut() {
        Some((_, last)) if *last == verdict => {}
        Some((start, last)) if *start == first => *last = verdict,
        _ => ranges.push((first, verdict)),
    };
    for abi in abis {
        let verdicts = verdicts(*abi, rules, default)?;
        let newest = verdicts.keys().next_back().copied();
        let mut next = if *abi == Abi::X32 { X32_BIT } else { 0 };
        push(next, plain(default));
        for (number, verdict) in verdicts {
            if number > next {
                push(next, plain(default));
            }
            push(number, verdict);
            next = number + 1;
        }
        push(next, plain(if newest.is_some() { beyond(default) } else { default }));
    }
    if !abis.contains(&Abi::X32) && abis.contains(&Abi::X86_64) {
        push(X32_BIT, plain(libc::SECCOMP_RET_KILL_PROCESS));
    }
    Ok(ranges)
}

/// What happens to calls that are newer than every call which the profile names: "no such call"
/// rather than "not permitted", so that C libraries fall back to the older one.
fn beyond(default: u32) -> u32 {
    let refuses = default & libc::SECCOMP_RET_ACTION_FULL != libc::SECCOMP_RET_ALLOW
        && default & libc::SECCOMP_RET_ACTION_FULL != libc::SECCOMP_RET_LOG;
    if refuses { libc::SECCOMP_RET_ERRNO | ENOSYS } else { default }
}

/// The verdict on each call that a rule names.
fn verdicts(
    abi: Abi,
    rules: &[LinuxSyscall],
    default: u32,
) -> Result<BTreeMap<u32, Verdict>, SeccompError> {
    let mut all: BTreeMap<u32, (Verdict, bool)> = BTreeMap::new();
    for rule in rules {
        let action = action(rule.action(), rule.errno_ret())?;
        let alternatives = alternatives(rule.args().as_deref().unwrap_or_default())?;
        for number in rule.names().iter().filter_map(|name| abi.number(name)) {
            let empty = || (Verdict { rules: Vec::new(), otherwise: default }, false);
            let (verdict, is_final) = all.entry(number).or_insert_with(empty);
            if !alternatives.is_empty() {
                verdict.rules.extend(alternatives.iter().map(|tests| (tests.clone(), action)));
            } else if !*is_final {
                verdict.otherwise = action;
                *is_final = true;
            }
        }
    }
    Ok(all.into_iter().map(|(number, (verdict, _))| (number, simplified(verdict))).collect())
}

/// Without rules that decide what would be decided anyway.
fn simplified(mut verdict: Verdict) -> Verdict {
    while verdict.rules.last().is_some_and(|(_, action)| *action == verdict.otherwise) {
        verdict.rules.pop();
    }
    verdict
}

/// The sets of tests of a rule, of which one has to pass. As libseccomp's users expect, all tests
/// have to pass, but where one argument is tested twice each test is a rule of its own.
fn alternatives(args: &[LinuxSeccompArg]) -> Result<Vec<Vec<Test>>, SeccompError> {
    let tests = args.iter().map(test).collect::<Result<Vec<_>, _>>()?;
    let twice = |test: &Test| tests.iter().filter(|t| t.argument == test.argument).count() > 1;
    if tests.iter().any(twice) {
        return Ok(tests.into_iter().map(|test| vec![test]).collect());
    }
    Ok(if tests.is_empty() { Vec::new() } else { vec![tests] })
}

fn test(arg: &LinuxSeccompArg) -> Result<Test, SeccompError> {
    let argument = u8::try_from(arg.index()).ok().filter(|index| *index < 6);
    let argument = argument.ok_or(SeccompError::ArgumentIndex(arg.index()))?;
    let (comparison, value) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpEq => (Comparison::Equal, arg.value()),
        LinuxSeccompOperator::ScmpCmpNe => (Comparison::NotEqual, arg.value()),
        LinuxSeccompOperator::ScmpCmpGt => (Comparison::Greater, arg.value()),
        LinuxSeccompOperator::ScmpCmpGe => (Comparison::GreaterOrEqual, arg.value()),
        LinuxSeccompOperator::ScmpCmpLt => (Comparison::Less, arg.value()),
        LinuxSeccompOperator::ScmpCmpLe => (Comparison::LessOrEqual, arg.value()),
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            (Comparison::MaskedEqual(arg.value()), arg.value_two().unwrap_or(0))
        }
    };
    Ok(Test { argument, comparison, value })
}

/// The return value of a filter for an action; seccomp(2).
fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32, SeccompError> {
    let data = errno.unwrap_or(EPERM);
    if data > ERRNO_MAX {
        return Err(SeccompError::Errno(data));
    }
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => {
            libc::SECCOMP_RET_KILL_THREAD
        }
        LinuxSeccompAction::ScmpActKillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        LinuxSeccompAction::ScmpActTrap => libc::SECCOMP_RET_TRAP,
        LinuxSeccompAction::ScmpActErrno => libc::SECCOMP_RET_ERRNO | data,
        LinuxSeccompAction::ScmpActTrace => libc::SECCOMP_RET_TRACE | data,
        LinuxSeccompAction::ScmpActLog => libc::SECCOMP_RET_LOG,
        LinuxSeccompAction::ScmpActAllow => libc::SECCOMP_RET_ALLOW,
        LinuxSeccompAction::ScmpActNotify => libc::SECCOMP_RET_USER_NOTIF,
    })
}

/// A profile without flags gets what runc gives it: no speculation penalty for filtered processes.
fn flags(profile: &LinuxSeccomp) -> u64 {
    let Some(flags) = profile.flags() else {
        return libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    };
    flags.iter().fold(0, |all, flag| {
        all | match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => libc::SECCOMP_FILTER_FLAG_LOG,
            // One thread: there is nobody to synchronise with.
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => {
                libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW
            }
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => {
                libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
            }
        }
    })
}

#[cfg(test)]
mod tests;
