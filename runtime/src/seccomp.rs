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

fn to_hex<S: Serializer>(program: &[Instruction], serializer: S) -> Result<S::Ok, S::Error> {
    use fmt::Write;
    let mut text = String::with_capacity(program.len() * 16);
    for instruction in program {
        let _ = write!(text, "{:016x}", instruction.bits());
    }
    serializer.serialize_str(&text)
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Instruction>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    text.as_bytes()
        .chunks(16)
        .map(|word| {
            std::str::from_utf8(word)
                .ok()
                .filter(|word| word.len() == 16)
                .and_then(|word| u64::from_str_radix(word, 16).ok())
                .map(Instruction::from_bits)
                .ok_or_else(|| de::Error::custom("an instruction is sixteen hexadecimal digits"))
        })
        .collect()
}
