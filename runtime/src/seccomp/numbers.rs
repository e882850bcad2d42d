//! System call numbers by name, for x86_64 and the two architectures that an x86_64 kernel also
//! serves: i386 and x32.

use std::str::FromStr;

use oci_spec::runtime::Arch;
use syscalls::{x86, x86_64};

use super::SeccompError;

/// Marks an x32 call in the number; `__X32_SYSCALL_BIT` of asm/unistd.h.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// Calls whose x32 number differs from that of x86_64: 512 and up, in order; the kernel's
/// syscall_64.tbl.
const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// First of the x32 numbers of [`X32_OWN`].
const X32_OWN_FIRST: u32 = 512;

/// A way of calling the kernel that a filter tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abi {
    X86_64,
    X32,
    I386,
}

impl Abi {
    /// The ABIs of a profile that can occur on this machine, native first. Architectures of other
    /// machines are left out: their calls can not be made here.
    pub(super) fn of(architectures: &[Arch]) -> Result<Vec<Self>, SeccompError> {
        let has = |wanted: Arch| architectures.contains(&wanted);
        let mut all = vec![Self::X86_64];
        if has(Arch::ScmpArchX32) {
            all.push(Self::X32);
        }
        if has(Arch::ScmpArchX86) {
            all.push(Self::I386);
        }
        let native = has(Arch::ScmpArchNative) || has(Arch::ScmpArchX86_64);
        if architectures.is_empty() || native {
            return Ok(all);
        }
        Err(SeccompError::NotNative)
    }

    /// The number of a call; `None` where this ABI has no such call.
    pub(super) fn number(self, name: &str) -> Option<u32> {
        let native = || x86_64::Sysno::from_str(name).ok().map(|call| call.id().cast_unsigned());
        match self {
            Self::X86_64 => native(),
            Self::I386 => x86::Sysno::from_str(name).ok().map(|call| call.id().cast_unsigned()),
            Self::X32 => {
                let own = (X32_OWN_FIRST..).zip(X32_OWN).find(|(_, own)| *own == name);
                own.map(|(number, _)| number).or_else(native).map(|number| number | X32_BIT)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caps::CapabilitySet;
    use crate::seccomp::default_profile;

    #[test]
    fn numbers() {
        assert_eq!(Abi::X86_64.number("execve"), Some(59));
        assert_eq!(Abi::I386.number("execve"), Some(11));
        assert_eq!(Abi::X32.number("execve"), Some(X32_BIT | 520));
        assert_eq!(Abi::X32.number("pwritev2"), Some(X32_BIT | 547));
        assert_eq!(Abi::X32.number("openat"), Some(X32_BIT | 257));
        assert_eq!(Abi::X86_64.number("socketcall"), None);
        assert_eq!(Abi::I386.number("socketcall"), Some(102));
    }

    #[test]
    fn names_of_the_default_profile_are_known() {
        let profile = default_profile(CapabilitySet::ALL);
        let names = profile.syscalls().as_ref().unwrap().iter().flat_map(|rule| rule.names());
        let unknown: Vec<&String> = names
            .filter(|name| Abi::X86_64.number(name).or(Abi::I386.number(name)).is_none())
            .collect();
        // Calls that only other architectures have, in Docker's unconditional list.
        assert_eq!(unknown, ["recv", "send", "riscv_hwprobe"]);
    }
}
