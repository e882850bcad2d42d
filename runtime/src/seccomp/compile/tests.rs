use oci_spec::runtime::Arch;
use proptest::prelude::*;

use super::*;
use crate::caps::CapabilitySet;
use crate::seccomp::bpf::machine::run;
use crate::seccomp::default_profile;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const EPERM_RET: u32 = libc::SECCOMP_RET_ERRNO | 1;
const ENOSYS_RET: u32 = libc::SECCOMP_RET_ERRNO | 38;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

fn native(program: &Program, name: &str, args: &[u64]) -> u32 {
    call(program, Abi::X86_64, name, args)
}

fn call(program: &Program, abi: Abi, name: &str, args: &[u64]) -> u32 {
    let arch = if abi == Abi::I386 { AUDIT_ARCH_I386 } else { AUDIT_ARCH_X86_64 };
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    run(&program.instructions, arch, abi.number(name).unwrap(), all)
}

fn docker() -> Program {
    compile(&default_profile(CapabilitySet::docker_default())).unwrap()
}

fn profile(json: &str) -> LinuxSeccomp {
    serde_json::from_str(json).unwrap()
}

#[test]
fn docker_default_is_small() {
    let program = docker();
    assert!(program.instructions.len() < 400, "{}", program.instructions.len());
    assert_eq!(program.flags, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW);
}

#[test]
fn docker_default_by_name() {
    let program = docker();
    for abi in [Abi::X86_64, Abi::X32, Abi::I386] {
        for name in ["read", "execve", "openat", "chroot", "ptrace", "exit_group"] {
            assert_eq!(call(&program, abi, name, &[]), ALLOW, "{abi:?} {name}");
        }
        for name in ["mount", "unshare", "setns", "keyctl", "io_uring_setup", "bpf", "reboot"] {
            assert_eq!(call(&program, abi, name, &[]), EPERM_RET, "{abi:?} {name}");
        }
        assert_eq!(call(&program, abi, "clone3", &[]), ENOSYS_RET);
    }
    assert_eq!(call(&program, Abi::I386, "socketcall", &[]), ALLOW);
}

#[test]
fn every_number_of_the_default_profile_agrees_with_its_rules() {
    let profile = default_profile(CapabilitySet::docker_default());
    let program = docker();
    let rules = profile.syscalls().as_ref().unwrap();
    for name in syscalls::x86_64::Sysno::iter().map(|call| call.name()) {
        let rules: Vec<_> =
            rules.iter().filter(|rule| rule.names().iter().any(|n| n == name)).collect();
        let wanted = match rules.as_slice() {
            [] => EPERM_RET,
            [rule, ..] if rule.args().is_some() => continue,
            [rule, ..] => action(rule.action(), rule.errno_ret()).unwrap(),
        };
        let found = native(&program, name, &[]);
        let is_newer = name == "open_tree_attr" || name.starts_with("file_");
        assert!(found == wanted || is_newer && found == ENOSYS_RET, "{name}: {found:#x}");
    }
}

#[test]
fn arguments() {
    let program = docker();
    for (family, verdict) in
        [(2, ALLOW), (37, ALLOW), (38, EPERM_RET), (39, ALLOW), (40, EPERM_RET), (41, ALLOW)]
    {
        assert_eq!(native(&program, "socket", &[family]), verdict, "family {family}");
    }
    // The upper half of a register must not hide a refused value from the kernel, nor make one.
    assert_eq!(native(&program, "socket", &[1 << 32 | 38]), ALLOW);
    for (personality, verdict) in
        [(0, ALLOW), (8, ALLOW), (0xffff_ffff, ALLOW), (0x0040_0000, EPERM_RET)]
    {
        assert_eq!(native(&program, "personality", &[personality]), verdict);
    }
    for (flags, verdict) in
        [(0x11, ALLOW), (0x1000_0000, EPERM_RET), (0x2_0000, EPERM_RET), (0x100, ALLOW)]
    {
        assert_eq!(native(&program, "clone", &[flags]), verdict, "flags {flags:#x}");
    }
}

#[test]
fn new_and_foreign_calls() {
    let program = docker();
    assert_eq!(run(&program.instructions, AUDIT_ARCH_X86_64, 9000, [0; 6]), ENOSYS_RET);
    assert_eq!(run(&program.instructions, AUDIT_ARCH_I386, 9000, [0; 6]), ENOSYS_RET);
    assert_eq!(run(&program.instructions, 0xc000_00b7, 0, [0; 6]), KILL);
    let only_native = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],
        "syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO","errnoRet":5}]}"#;
    let program = compile(&profile(only_native)).unwrap();
    assert_eq!(native(&program, "mount", &[]), libc::SECCOMP_RET_ERRNO | 5);
    assert_eq!(native(&program, "read", &[]), ALLOW);
    assert_eq!(run(&program.instructions, AUDIT_ARCH_X86_64, 9000, [0; 6]), ALLOW);
    // A 32-bit or x32 call can not slip by a profile that does not speak of them.
    assert_eq!(call(&program, Abi::I386, "mount", &[]), KILL);
    assert_eq!(call(&program, Abi::X32, "mount", &[]), KILL);
}

#[test]
fn all_actions_and_flags() {
    for (name, value) in [
        ("KILL", 0),
        ("KILL_THREAD", 0),
        ("KILL_PROCESS", KILL),
        ("TRAP", 0x0003_0000),
        ("ERRNO", EPERM_RET),
        ("NOTIFY", 0x7fc0_0000),
        ("TRACE", 0x7ff0_0001),
        ("LOG", 0x7ffc_0000),
        ("ALLOW", ALLOW),
    ] {
        let json = format!(
            r#"{{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG"],
                "syscalls":[{{"names":["mount","no_such_call"],"action":"SCMP_ACT_{name}"}}]}}"#
        );
        let program = compile(&profile(&json)).unwrap();
        assert_eq!(native(&program, "mount", &[]), value, "{name}");
        let listener = if name == "NOTIFY" { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
        assert_eq!(program.flags, libc::SECCOMP_FILTER_FLAG_LOG | listener);
    }
}

#[test]
fn bad_profiles() {
    let foreign = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_AARCH64"]}"#;
    assert_eq!(compile(&profile(foreign)), Err(SeccompError::NotNative));
    let index = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],
        "action":"SCMP_ACT_ERRNO","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#;
    assert_eq!(compile(&profile(index)), Err(SeccompError::ArgumentIndex(6)));
    let errno = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096}"#;
    assert_eq!(compile(&profile(errno)), Err(SeccompError::Errno(4096)));
    for notify in [
        r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
            {"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"},
            {"names":["read","write"],"action":"SCMP_ACT_NOTIFY"}]}"#,
    ] {
        assert_eq!(compile(&profile(notify)), Err(SeccompError::Notify));
    }
}

#[test]
fn two_tests_of_one_argument_are_alternatives_and_of_two_are_not() {
    let json = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
        {"names":["read"],"action":"SCMP_ACT_ALLOW","args":[
            {"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":0,"value":2,"op":"SCMP_CMP_EQ"}]},
        {"names":["write"],"action":"SCMP_ACT_ALLOW","args":[
            {"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":2,"op":"SCMP_CMP_GE"}]}]}"#;
    let program = compile(&profile(json)).unwrap();
    assert_eq!(native(&program, "read", &[2]), ALLOW);
    assert_eq!(native(&program, "read", &[3]), EPERM_RET);
    assert_eq!(native(&program, "write", &[1, 3]), ALLOW);
    assert_eq!(native(&program, "write", &[1, 1]), EPERM_RET);
    assert_eq!(native(&program, "write", &[2, 2]), EPERM_RET);
}

#[test]
fn profiles_are_remembered_by_all_they_say() {
    let one = compile(&default_profile(CapabilitySet::SYS_ADMIN)).unwrap();
    let two = compile(&default_profile(CapabilitySet::EMPTY)).unwrap();
    assert_ne!(one, two);
    assert_eq!(compile(&default_profile(CapabilitySet::SYS_ADMIN)).unwrap(), one);
    assert!(Abi::of(&[Arch::ScmpArchNative]).is_ok());
}

#[test]
fn programs_survive_json() {
    let program = docker();
    let json = serde_json::to_string(&program).unwrap();
    assert_eq!(serde_json::from_str::<Program>(&json).unwrap(), program);
    assert!(serde_json::from_str::<Program>(r#"{"flags":0,"instructions":"00"}"#).is_err());
}

fn holds(test: &Test, argument: u64) -> bool {
    match test.comparison {
        Comparison::Equal => argument == test.value,
        Comparison::NotEqual => argument != test.value,
        Comparison::Greater => argument > test.value,
        Comparison::GreaterOrEqual => argument >= test.value,
        Comparison::Less => argument < test.value,
        Comparison::LessOrEqual => argument <= test.value,
        Comparison::MaskedEqual(mask) => argument & mask == test.value,
    }
}

/// Values that differ in one half, in both or in none.
fn value() -> impl Strategy<Value = u64> {
    let half = prop_oneof![Just(0_u32), Just(1), Just(2), Just(u32::MAX - 1), Just(u32::MAX)];
    (half.clone(), half).prop_map(|(high, low)| u64::from(high) << 32 | u64::from(low))
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Greater),
        Just(Comparison::GreaterOrEqual),
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual),
        value().prop_map(Comparison::MaskedEqual),
    ]
}

proptest! {
    #[test]
    fn comparisons_are_64_bits_wide(
        tests in proptest::collection::vec((0..6_u8, comparison(), value()), 1..6),
        args in proptest::array::uniform6(value()),
    ) {
        let tests: Vec<Test> = tests
            .into_iter()
            .map(|(argument, comparison, value)| Test { argument, comparison, value })
            .collect();
        let passes = tests.iter().all(|test| holds(test, args[usize::from(test.argument)]));
        let verdict = Verdict { rules: vec![(tests, 7)], otherwise: 9 };
        let program = bpf::search(&[(0, verdict)]);
        prop_assert_eq!(run(&program, 0, 0, args), if passes { 7 } else { 9 });
    }

    #[test]
    fn the_search_finds_every_range(starts in proptest::collection::btree_set(1..100_000_u32, 0..700), number in 0..100_001_u32) {
        let mut ranges = vec![(0, Verdict { rules: Vec::new(), otherwise: 0 })];
        ranges.extend(starts.iter().map(|start| (*start, Verdict { rules: Vec::new(), otherwise: *start })));
        let mut program = vec![bpf::load_number()];
        program.extend(bpf::search(&ranges));
        let wanted = starts.range(..=number).next_back().copied().unwrap_or(0);
        prop_assert_eq!(run(&program, 0, number, [0; 6]), wanted);
    }
}
