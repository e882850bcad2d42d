//! Classic BPF for seccomp: instructions, comparison of arguments, binary search; the kernel's
//! Documentation/networking/filter.rst and userspace-api/seccomp_filter.rst.

use super::Instruction;

/// Offsets in `struct seccomp_data`; seccomp(2). Halves of arguments are little endian.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGS: u32 = 16;

const LD_ABS: u16 = 0x20;
const AND: u16 = 0x54;
const JA: u16 = 0x05;
const JEQ: u16 = 0x15;
const JGT: u16 = 0x25;
const JGE: u16 = 0x35;
const RET: u16 = 0x06;

/// Most instructions that a conditional jump can skip.
const REACH: usize = u8::MAX as usize;

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    /// Equal after masking with these bits.
    MaskedEqual(u64),
}

/// A test of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Test {
    /// 0 to 5.
    pub(super) argument: u8,
    pub(super) comparison: Comparison,
    pub(super) value: u64,
}

/// What happens to a call: the first rule all of whose tests pass decides, else `otherwise`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) rules: Vec<(Vec<Test>, u32)>,
    pub(super) otherwise: u32,
}

/// Where a jump inside a test goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Next,
    Pass,
    Fail,
}

/// A half of a test before its jumps are laid out.
type Draft = (u16, u32, To, To);

pub(super) fn load_arch() -> Instruction {
    plain(LD_ABS, OFFSET_ARCH)
}

pub(super) fn load_number() -> Instruction {
    plain(LD_ABS, OFFSET_NUMBER)
}

pub(super) fn ret(value: u32) -> Instruction {
    plain(RET, value)
}

/// Code that runs `then` if the accumulator equals `value`, and what follows it otherwise.
pub(super) fn if_equal(value: u32, then: Vec<Instruction>) -> Vec<Instruction> {
    branch(JEQ, value, then, Vec::new())
}

/// Binary search: `ranges` are (first number, verdict), ascending, the first from 0; each reaches to
/// the next. Every path ends in a return.
pub(super) fn search(ranges: &[(u32, Verdict)]) -> Vec<Instruction> {
    if let Some(block) = block(ranges) {
        return block;
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    branch(JGE, high[0].0, search(high), search(low))
}

/// A search whose comparisons jump straight to verdicts that they share; `None` if the verdicts
/// would be out of reach.
fn block(ranges: &[(u32, Verdict)]) -> Option<Vec<Instruction>> {
    let comparisons = ranges.len().checked_sub(1)?;
    let mut places: Vec<(&Verdict, usize)> = Vec::new();
    let mut verdicts = Vec::new();
    for (_, verdict) in ranges {
        if !places.iter().any(|(known, _)| *known == verdict) {
            places.push((verdict, comparisons + verdicts.len()));
            verdicts.extend(decide(verdict));
        }
    }
    if comparisons + verdicts.len() > REACH {
        return None;
    }
    let mut program = Vec::with_capacity(comparisons + verdicts.len());
    compare(&mut program, ranges, &places);
    program.extend(verdicts);
    Some(program)
}

/// Appends the comparisons of a block, the upper half of each before its lower half, and returns
/// where they begin: for a single range, the place of its verdict.
fn compare(
    program: &mut Vec<Instruction>,
    ranges: &[(u32, Verdict)],
    places: &[(&Verdict, usize)],
) -> usize {
    if let [(_, verdict)] = ranges {
        return places.iter().find(|(known, _)| *known == verdict).map_or(0, |(_, at)| *at);
    }
    let here = program.len();
    let (low, high) = ranges.split_at(ranges.len() / 2);
    program.push(Instruction { code: JGE, jt: 0, jf: 0, k: high[0].0 });
    // A block is no longer than what a jump reaches.
    let skip = |target: usize| u8::try_from(target - here - 1).unwrap_or(u8::MAX);
    let jt = skip(compare(program, high, places));
    let jf = skip(compare(program, low, places));
    program[here].jt = jt;
    program[here].jf = jf;
    here
}

/// A conditional jump to `then`, placed before `otherwise` or after it: whichever is in reach.
fn branch(
    code: u16,
    value: u32,
    then: Vec<Instruction>,
    otherwise: Vec<Instruction>,
) -> Vec<Instruction> {
    let mut program = Vec::with_capacity(then.len() + otherwise.len() + 2);
    let (first, second) = if then.len() <= otherwise.len() || otherwise.is_empty() {
        jump_over(&mut program, code, value, then.len(), true);
        (then, otherwise)
    } else {
        jump_over(&mut program, code, value, otherwise.len(), false);
        (otherwise, then)
    };
    program.extend(first);
    program.extend(second);
    program
}

/// Skips `length` instructions unless the condition is `wanted`.
fn jump_over(program: &mut Vec<Instruction>, code: u16, k: u32, length: usize, wanted: bool) {
    match u8::try_from(length) {
        Ok(skip) if usize::from(skip) <= REACH => {
            let (jt, jf) = if wanted { (0, skip) } else { (skip, 0) };
            program.push(Instruction { code, jt, jf, k });
        }
        _ => {
            let (jt, jf) = if wanted { (1, 0) } else { (0, 1) };
            program.push(Instruction { code, jt, jf, k });
            program.push(plain(JA, u32::try_from(length).unwrap_or(u32::MAX)));
        }
    }
}

fn decide(verdict: &Verdict) -> Vec<Instruction> {
    let mut program = Vec::new();
    for (tests, action) in &verdict.rules {
        program.extend(rule(tests, *action));
    }
    program.push(ret(verdict.otherwise));
    program
}

/// Returns `action` if all tests pass, else goes on behind itself.
fn rule(tests: &[Test], action: u32) -> Vec<Instruction> {
    let drafts: Vec<Vec<Draft>> = tests.iter().map(draft).collect();
    let total: usize = drafts.iter().map(Vec::len).sum();
    let mut program = Vec::with_capacity(total + 1);
    let mut test_end = 0;
    for test in &drafts {
        test_end += test.len();
        for (code, k, on_true, on_false) in test {
            let here = program.len();
            let skip = |to: To| {
                let target = match to {
                    To::Next => here + 1,
                    To::Pass => test_end,
                    To::Fail => total + 1,
                };
                // Six tests of six instructions at most: always in reach.
                u8::try_from(target - here - 1).unwrap_or(u8::MAX)
            };
            let (jt, jf) = (skip(*on_true), skip(*on_false));
            program.push(Instruction { code: *code, jt, jf, k: *k });
        }
    }
    program.push(ret(action));
    program
}

/// The instructions of one test: high half first, the low half only where the high ones are equal.
fn draft(test: &Test) -> Vec<Draft> {
    use To::{Fail, Next, Pass};
    let (high, low) = halves(test.value);
    let at = OFFSET_ARGS + u32::from(test.argument) * 8;
    let load = |offset: u32| (LD_ABS, offset, Next, Next);
    let order = |code: u16, pass: To, fail: To| {
        vec![
            load(at + 4),
            (JGT, high, pass, Next),
            (JEQ, high, Next, fail),
            load(at),
            (code, low, pass, fail),
        ]
    };
    match test.comparison {
        Comparison::Equal => {
            vec![load(at + 4), (JEQ, high, Next, Fail), load(at), (JEQ, low, Pass, Fail)]
        }
        Comparison::NotEqual => {
            vec![load(at + 4), (JEQ, high, Next, Pass), load(at), (JEQ, low, Fail, Pass)]
        }
        Comparison::Greater => order(JGT, Pass, Fail),
        Comparison::GreaterOrEqual => order(JGE, Pass, Fail),
        Comparison::Less => order(JGE, Fail, Pass),
        Comparison::LessOrEqual => order(JGT, Fail, Pass),
        Comparison::MaskedEqual(mask) => {
            let (mask_high, mask_low) = halves(mask);
            vec![
                load(at + 4),
                (AND, mask_high, Next, Next),
                (JEQ, high, Next, Fail),
                load(at),
                (AND, mask_low, Next, Next),
                (JEQ, low, Pass, Fail),
            ]
        }
    }
}

fn halves(value: u64) -> (u32, u32) {
    let bytes = value.to_be_bytes();
    let [a, b, c, d, e, f, g, h] = bytes;
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

#[cfg(test)]
pub(super) mod machine {
    //! Runs a filter the way the kernel does.

    use super::*;

    pub(in crate::seccomp) fn run(
        program: &[Instruction],
        arch: u32,
        number: u32,
        args: [u64; 6],
    ) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_le_bytes());
        data.extend(arch.to_le_bytes());
        data.extend([0; 8]);
        args.iter().for_each(|arg| data.extend(arg.to_le_bytes()));
        let (mut at, mut accumulator) = (0, 0_u32);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            let jump = |condition: bool| usize::from(if condition { jt } else { jf });
            match code {
                LD_ABS => {
                    let k = k as usize;
                    accumulator = u32::from_le_bytes(data[k..k + 4].try_into().unwrap());
                }
                AND => accumulator &= k,
                JA => at += k as usize,
                JEQ => at += jump(accumulator == k),
                JGT => at += jump(accumulator > k),
                JGE => at += jump(accumulator >= k),
                RET => return k,
                other => panic!("opcode {other:#x}"),
            }
        }
    }
}
