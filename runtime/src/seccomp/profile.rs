//! Docker's default profile: which system calls a container may make, by its capabilities.
//!
//! An allow list; everything else is EPERM. Docker's rules for other architectures are not here,
//! and its one condition on the kernel (ptrace from 4.8 on) always holds: mounts by descriptor need
//! a later kernel than that.

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompOperator, LinuxSyscall,
};

use crate::caps::CapabilitySet;

/// Allowed to all.
const ALWAYS: &[&str] = &[
    // Files by path: made, found, changed, removed.
    "access chdir chmod chown chown32 creat faccessat faccessat2 fchdir fchmodat fchmodat2 \
     fchownat fstatat64 futimesat getcwd lchown lchown32 link linkat listmount lstat lstat64 \
     mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 readlink \
     readlinkat rename renameat renameat2 rmdir stat stat64 statfs statfs64 statmount statx \
     symlink symlinkat truncate truncate64 umask unlink unlinkat utime utimensat \
     utimensat_time64 utimes",
    // Extended attributes.
    "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr \
     listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr \
     setxattrat",
    // Open files: read, written, moved about.
    "cachestat close close_range copy_file_range dup dup2 dup3 fadvise64 fadvise64_64 \
     fallocate fchmod fchown fchown32 fcntl fcntl64 fdatasync flock fstat fstat64 fstatfs \
     fstatfs64 fsync ftruncate ftruncate64 getdents getdents64 ioctl _llseek lseek pipe pipe2 \
     pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readv sendfile \
     sendfile64 splice sync sync_file_range syncfs tee vmsplice write writev",
    // Waiting and notification.
    "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait \
     epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init \
     inotify_init1 inotify_rm_watch _newselect poll ppoll ppoll_time64 pselect6 \
     pselect6_time64 select signalfd signalfd4",
    // Asynchronous input and output.
    "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit",
    // Sockets.
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom \
     recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown \
     socketcall socketpair",
    // Memory.
    "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 \
     mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc \
     pkey_free pkey_mprotect process_mrelease remap_file_pages",
    // System V and POSIX interprocess communication.
    "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
     mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop \
     semtimedop_time64 shmat shmctl shmdt shmget",
    // Processes, threads and what they wait for.
    "execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait \
     futex_waitv futex_wake get_robust_list get_thread_area getcpu pause pidfd_open \
     pidfd_send_signal prctl restart_syscall riscv_hwprobe rseq sched_get_priority_max \
     sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler \
     sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr \
     sched_setparam sched_setscheduler sched_yield set_robust_list set_thread_area \
     set_tid_address uretprobe vfork wait4 waitid waitpid",
    // Signals.
    "kill rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn \
     rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack \
     sigprocmask sigreturn tgkill tkill",
    // Ids, groups, capabilities, limits and scheduling.
    "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 \
     getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid \
     getresuid32 getrlimit getrusage getsid gettid getuid getuid32 ioprio_get ioprio_set \
     prlimit64 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 \
     setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 \
     setreuid setreuid32 setrlimit setsid setuid setuid32 sysinfo times ugetrlimit uname",
    // Clocks and timers.
    "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 \
     clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer \
     gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun \
     timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create \
     timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64",
    // What confines further.
    "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp",
    // Looking into processes of the same user; safe under seccomp since Linux 4.8.
    "process_vm_readv process_vm_writev ptrace",
    // Segments of the x86 architectures.
    "arch_prctl modify_ldt",
];

/// Allowed to those who have the capability.
const BY_CAPABILITY: &[(&str, &str)] = &[
    ("DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie \
         lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree \
         perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 \
         unshare",
    ),
    ("SYS_BOOT", "reboot"),
    ("SYS_CHROOT", "chroot"),
    ("SYS_MODULE", "delete_module init_module finit_module"),
    ("SYS_PACCT", "acct"),
    ("SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
    ("SYS_RAWIO", "iopl ioperm"),
    ("SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("SYS_TTY_CONFIG", "vhangup"),
    ("SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("SYSLOG", "syslog"),
    ("BPF", "bpf"),
    ("PERFMON", "perf_event_open"),
];

/// Address families that `socket` refuses: AF_ALG (kernel crypto) and AF_VSOCK (the hypervisor).
/// What is below, between and above is allowed.
const FAMILY_ALG: u64 = 38;
const FAMILY_VSOCK: u64 = 40;

/// Personalities that change nothing dangerous: PER_LINUX, PER_LINUX32, UNAME26 with either, and
/// the question for the present one.
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// `CLONE_NEW*` flags; without CAP_SYS_ADMIN a clone may have none of them.
const CLONE_NAMESPACES: u64 = 0x7e02_0000;

/// errno of a refused call.
const EPERM: u32 = 1;

/// errno that makes a C library fall back from clone3, whose flags a filter can not see.
const ENOSYS: u32 = 38;

/// Docker's default profile for a container with these capabilities in its bounding set.
pub fn default_profile(capabilities: CapabilitySet) -> LinuxSeccomp {
    let has = |name: &str| {
        CapabilitySet::named(name).is_some_and(|capability| capabilities.contains(capability))
    };
    let mut rules = vec![allow(ALWAYS.iter().copied(), None)];
    for (capability, names) in BY_CAPABILITY {
        if has(capability) {
            rules.push(allow(std::iter::once(*names), None));
        }
    }
    let socket = [
        (FAMILY_ALG, LinuxSeccompOperator::ScmpCmpLt),
        (FAMILY_ALG + 1, LinuxSeccompOperator::ScmpCmpEq),
        (FAMILY_VSOCK, LinuxSeccompOperator::ScmpCmpGt),
    ];
    rules.extend(socket.map(|(value, op)| allow_if("socket", value, op)));
    rules.extend(
        PERSONALITIES.map(|personality| {
            allow_if("personality", personality, LinuxSeccompOperator::ScmpCmpEq)
        }),
    );
    if !has("SYS_ADMIN") {
        rules.push(allow_if("clone", CLONE_NAMESPACES, LinuxSeccompOperator::ScmpCmpMaskedEq));
        let mut clone3 = rule(vec!["clone3".to_owned()], LinuxSeccompAction::ScmpActErrno, None);
        clone3.set_errno_ret(Some(ENOSYS));
        rules.push(clone3);
    }
    let mut profile = LinuxSeccomp::default();
    profile
        .set_default_action(LinuxSeccompAction::ScmpActErrno)
        .set_default_errno_ret(Some(EPERM))
        .set_architectures(Some(vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32]))
        .set_syscalls(Some(rules));
    profile
}

fn allow<'a>(
    names: impl Iterator<Item = &'a str>,
    argument: Option<LinuxSeccompArg>,
) -> LinuxSyscall {
    let names = names.flat_map(str::split_whitespace).map(str::to_owned).collect();
    rule(names, LinuxSeccompAction::ScmpActAllow, argument)
}

fn allow_if(name: &str, value: u64, op: LinuxSeccompOperator) -> LinuxSyscall {
    let argument = LinuxSeccompArgBuilder::default().index(0_usize).value(value).op(op);
    // Only read where the operator masks: what has to be left is nothing.
    let argument = argument.value_two(0_u64).build().unwrap_or_default();
    allow(std::iter::once(name), Some(argument))
}

fn rule(
    names: Vec<String>,
    action: LinuxSeccompAction,
    argument: Option<LinuxSeccompArg>,
) -> LinuxSyscall {
    let mut rule = LinuxSyscall::default();
    rule.set_names(names).set_action(action).set_args(argument.map(|argument| vec![argument]));
    rule
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(profile: &LinuxSeccomp) -> BTreeSet<&str> {
        let rules = profile.syscalls().as_ref().unwrap();
        rules.iter().flat_map(|rule| rule.names()).map(String::as_str).collect()
    }

    /// Docker's list has 361 unconditional names, three of them below with ptrace's condition, and
    /// 426 in all, of which those of other architectures are not ours.
    #[test]
    fn counts() {
        let unconditional: BTreeSet<&str> =
            ALWAYS.iter().flat_map(|names| names.split_whitespace()).collect();
        assert_eq!(unconditional.len(), 361 + 3 + 2);
        let listed = ALWAYS.iter().flat_map(|names| names.split_whitespace()).count();
        assert_eq!(listed, unconditional.len(), "a name is listed twice");
        let with_all = default_profile(CapabilitySet::ALL);
        let other_architectures = 11;
        assert_eq!(names(&with_all).len(), 426 - other_architectures);
    }

    #[test]
    fn what_escapes_use_is_absent() {
        let profile = default_profile(CapabilitySet::docker_default());
        let names = names(&profile);
        for absent in [
            "add_key",
            "bpf",
            "fsopen",
            "init_module",
            "io_uring_enter",
            "io_uring_register",
            "io_uring_setup",
            "kexec_load",
            "keyctl",
            "mount",
            "move_mount",
            "open_by_handle_at",
            "open_tree",
            "perf_event_open",
            "pivot_root",
            "reboot",
            "request_key",
            "setns",
            "swapon",
            "umount2",
            "unshare",
            "userfaultfd",
        ] {
            assert!(!names.contains(absent), "{absent}");
        }
        assert!(names.contains("chroot") && names.contains("ptrace"));
    }

    #[test]
    fn capabilities_open_calls() {
        let admin = default_profile(CapabilitySet::SYS_ADMIN);
        assert!(names(&admin).contains("mount"));
        let rules = admin.syscalls().as_ref().unwrap();
        assert!(rules.iter().all(|rule| rule.action() == LinuxSeccompAction::ScmpActAllow));
        assert!(!names(&default_profile(CapabilitySet::EMPTY)).contains("chroot"));
    }
}
