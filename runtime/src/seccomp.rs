//! Seccomp filters: OCI `linux.seccomp` compiled to classic BPF, and Docker's default profile.

mod bpf;
mod compile;
mod numbers;
mod profile;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use compile::compile;
pub use profile::default_profile;

/// Why a profile can not be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeccompError {
    #[error("the native architecture, x86_64, is not among the profile's")]
    NotNative,
    #[error("argument index {0} is not in the range 0 to 5")]
    ArgumentIndex(usize),
    #[error("error number {0} is not in the range 0 to 4095")]
    Errno(u32),
    #[error(
        "SCMP_ACT_NOTIFY can be neither the default nor for `write`, by which the runtime tells of it"
    )]
    Notify,
    #[error("the filter has {0} instructions, the kernel takes 4096")]
    TooLong(usize),
}

/// One BPF instruction: opcode, jump if true, jump if false, operand; `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

/// Of an instruction as text.
const HEX_DIGITS: usize = 16;

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// `SECCOMP_FILTER_FLAG_*`; seccomp(2).
    pub flags: u64,
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub instructions: Vec<Instruction>,
}

impl Program {
    /// Whether some calls are answered by another process.
    pub(crate) fn notifies(&self) -> bool {
        self.flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0
    }
}

impl Instruction {
    fn bits(self) -> u64 {
        u64::from(self.code) << 48
            | u64::from(self.jt) << 40
            | u64::from(self.jf) << 32
            | u64::from(self.k)
    }

    fn from_bits(bits: u64) -> Self {
        let [.., j, f, a, b, c, d] = bits.to_be_bytes();
        Self { code: (bits >> 48) as u16, jt: j, jf: f, k: u32::from_be_bytes([a, b, c, d]) }
    }
}

impl fmt::Debug for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x} {} {} {:#x}", self.code, self.jt, self.jf, self.k)
    }
}

/// Every launch writes a filter and reads it, hundreds of instructions: digit by digit, without the machinery of
/// formatted text.
fn to_hex<S: Serializer>(program: &[Instruction], serializer: S) -> Result<S::Ok, S::Error> {
    let digits = |bits: u64| {
        (0..HEX_DIGITS)
            .rev()
            .map(move |place| b"0123456789abcdef"[(bits >> (4 * place) & 15) as usize])
    };
    let mut text = String::with_capacity(program.len() * HEX_DIGITS);
    text.extend(program.iter().flat_map(|instruction| digits(instruction.bits())).map(char::from));
    serializer.serialize_str(&text)
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Instruction>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    let digit = |digit: &u8| char::from(*digit).to_digit(16).map(u64::from);
    text.as_bytes()
        .chunks(HEX_DIGITS)
        .map(|word| {
            let whole = Some(word).filter(|word| word.len() == HEX_DIGITS);
            let mut digits = whole.into_iter().flatten().map(digit);
            let bits = digits.try_fold(0, |bits, digit| Some(bits << 4 | digit?));
            bits.filter(|_| whole.is_some())
                .map(Instruction::from_bits)
                .ok_or_else(|| de::Error::custom("an instruction is sixteen hexadecimal digits"))
        })
        .collect()
}
