//! Device rules of version 2: a small eBPF program that the kernel asks at every open and mknod of
//! a device node; `BPF_PROG_TYPE_CGROUP_DEVICE` of bpf(2), `struct bpf_cgroup_dev_ctx`.
//!
//! The rules are tried from the last to the first. Registers: r2 kind, r3 what is asked for and not
//! yet allowed, r4 major, r5 minor. An allowing rule takes its bits from r3, and allows when none
//! are left; a denying rule denies when one of its bits is left. What no rule decides is allowed,
//! as in a new group of version 1.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::{DeviceClass, DeviceRule};
use crate::sys;

const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;

/// Loads the program of `rules` and ties it to the group. The error comes with the call's name.
pub(super) fn attach(
    group: &OwnedFd,
    rules: &[DeviceRule],
) -> Result<(), (&'static str, io::Error)> {
    let program = sys::bpf::load_device_program(&compile(rules))
        .map_err(|errno| ("bpf(BPF_PROG_LOAD)", errno.into()))?;
    sys::bpf::attach_device_program(group.as_fd(), program.as_fd())
        .map_err(|errno| ("bpf(BPF_PROG_ATTACH)", errno.into()))
}

fn compile(rules: &[DeviceRule]) -> Vec<u64> {
    let mut code = vec![
        instruction(0x61, 2, 1, 0, 0),      // r2 = context.access_type
        instruction(0xbf, 3, 2, 0, 0),      // r3 = r2
        instruction(0x57, 2, 0, 0, 0xffff), // r2 &= 0xffff
        instruction(0x77, 3, 0, 0, 16),     // r3 >>= 16
        instruction(0x61, 4, 1, 4, 0),      // r4 = context.major
        instruction(0x61, 5, 1, 8, 0),      // r5 = context.minor
    ];
    for rule in rules.iter().rev() {
        code.extend(compile_rule(rule));
    }
    code.extend(answer(1));
    code
}

fn compile_rule(rule: &DeviceRule) -> Vec<u64> {
    let bits = [(rule.mknod, MKNOD), (rule.read, READ), (rule.write, WRITE)];
    let access = bits.iter().filter(|(given, _)| *given).fold(0, |all, (_, bit)| all | bit);
    let decision = if rule.allow {
        // r3 &= !access; if r3 != 0 skip; allow
        let mut code = vec![instruction(0x57, 3, 0, 0, !access), instruction(0x55, 3, 0, 2, 0)];
        code.extend(answer(1));
        code
    } else {
        // if r3 & access != 0 deny
        let mut code = vec![instruction(0x45, 3, 0, 1, access), instruction(0x05, 0, 0, 2, 0)];
        code.extend(answer(0));
        code
    };
    let kind = match rule.kind {
        DeviceClass::All => None,
        DeviceClass::Block => Some(BLOCK),
        DeviceClass::Character => Some(CHARACTER),
    };
    let tests =
        [(2, kind), (4, rule.major.map(u32::cast_signed)), (5, rule.minor.map(u32::cast_signed))];
    let tests: Vec<_> =
        tests.into_iter().filter_map(|(register, value)| Some((register, value?))).collect();
    let mut code = Vec::new();
    for (at, (register, value)) in tests.iter().enumerate() {
        // if register != value (as 32 bits) skip the other tests and the decision
        let skip = tests.len() - at - 1 + decision.len();
        code.push(instruction(0x56, *register, 0, skip, *value));
    }
    code.extend(decision);
    code
}

/// r0 = value; exit
fn answer(value: i32) -> [u64; 2] {
    [instruction(0xb7, 0, 0, 0, value), instruction(0x95, 0, 0, 0, 0)]
}

/// One `struct bpf_insn`: code, destination and source register, offset, immediate value.
fn instruction(code: u64, to: u64, from: u64, offset: usize, value: i32) -> u64 {
    debug_assert!(offset < 0x8000, "offsets are counts of a handful of instructions");
    let fields = code | to << 8 | from << 12 | (offset as u64) << 16;
    fields | u64::from(value.cast_unsigned()) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, kind: DeviceClass, numbers: (u32, u32), access: &str) -> DeviceRule {
        DeviceRule {
            allow,
            kind,
            major: (numbers.0 != u32::MAX).then_some(numbers.0),
            minor: (numbers.1 != u32::MAX).then_some(numbers.1),
            read: access.contains('r'),
            write: access.contains('w'),
            mknod: access.contains('m'),
        }
    }

    /// Runs the few instructions that the compiler uses.
    fn run(code: &[u64], kind: i32, access: i32, major: u32, minor: u32) -> bool {
        let context = [(access << 16 | kind).cast_unsigned(), major, minor];
        let (mut registers, mut at) = ([0_u64; 11], 0);
        loop {
            let word = code[at];
            let (to, from) = ((word >> 8 & 15) as usize, (word >> 12 & 15) as usize);
            let (offset, value) = ((word >> 16 & 0xffff) as usize, (word >> 32) as u32);
            let wide = i64::from(value.cast_signed()).cast_unsigned();
            at += 1;
            match word & 0xff {
                0x61 => registers[to] = u64::from(context[offset / 4]),
                0xbf => registers[to] = registers[from],
                0x57 => registers[to] &= wide,
                0x77 => registers[to] >>= value,
                0x55 if registers[to] != wide => at += offset,
                0x56 if registers[to] as u32 != value => at += offset,
                0x45 if registers[to] & wide != 0 => at += offset,
                0x05 => at += offset,
                0xb7 => registers[to] = wide,
                0x95 => return registers[0] == 1,
                0x55 | 0x56 | 0x45 => {}
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn decisions() {
        const ANY: u32 = u32::MAX;
        let code = compile(&[
            rule(false, DeviceClass::All, (ANY, ANY), "rwm"),
            rule(true, DeviceClass::Character, (ANY, ANY), "m"),
            rule(true, DeviceClass::Character, (1, 3), "r"),
            rule(true, DeviceClass::Character, (1, 3), "w"),
            rule(false, DeviceClass::Character, (1, 9), "w"),
        ]);
        assert!(run(&code, CHARACTER, READ | WRITE, 1, 3));
        assert!(run(&code, CHARACTER, READ | MKNOD, 1, 3));
        assert!(run(&code, CHARACTER, MKNOD, 7, 7));
        assert!(!run(&code, CHARACTER, READ, 1, 4));
        assert!(!run(&code, BLOCK, READ, 1, 3));
        assert!(!run(&code, BLOCK, MKNOD, 1, 3));
        assert!(!run(&code, CHARACTER, WRITE | MKNOD, 1, 9));
        assert!(run(&compile(&[]), BLOCK, WRITE, 8, 0));
    }
}
