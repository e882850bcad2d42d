//! Capability names, sets, and Docker's default set; capabilities(7). No system call is made here.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeSeq};

/// Names by number, without `CAP_`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What a container has if nothing else is said; bounding, permitted and effective.
const DOCKER_DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// A set of capabilities, one bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    pub const EMPTY: Self = Self(0);
    /// All that this code knows by name.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// `CAP_SYS_ADMIN`.
    pub const SYS_ADMIN: Self = Self(1 << 21);

    /// Docker's default set.
    pub fn docker_default() -> Self {
        DOCKER_DEFAULT.into_iter().filter_map(Self::named).fold(Self::EMPTY, Self::union)
    }

    /// The set of one capability, by its name with or without `CAP_`, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        NAMES.iter().position(|known| *known == short).map(|number| Self(1 << number))
    }

    /// The set of one capability, by its number.
    pub fn numbered(number: u32) -> Self {
        Self(1_u64.checked_shl(number).unwrap_or(0))
    }

    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub fn bits(self) -> u64 {
        self.0
    }

    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Numbers of the members, ascending.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |number| self.0 >> number & 1 == 1)
    }

    /// Names of the members, `CAP_CHOWN` first. Bits without a name are left out.
    pub fn names(self) -> impl Iterator<Item = String> {
        self.numbers()
            .filter_map(|number| NAMES.get(number as usize))
            .map(|name| format!("CAP_{name}"))
    }
}

impl fmt::Debug for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Serialize for CapabilitySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        for name in self.names() {
            sequence.serialize_element(&name)?;
        }
        sequence.end()
    }
}

impl<'de> Deserialize<'de> for CapabilitySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<String>::deserialize(deserializer)?.iter().try_fold(Self::EMPTY, |set, name| {
            Self::named(name)
                .map(|one| set.union(one))
                .ok_or_else(|| de::Error::custom(format!("unknown capability {name:?}")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(CapabilitySet::named("cap_sys_admin"), Some(CapabilitySet::numbered(21)));
        assert_eq!(CapabilitySet::named("CHECKPOINT_RESTORE").unwrap().bits(), 1 << 40);
        assert_eq!(CapabilitySet::named("CAP_NOPE"), None);
        assert_eq!(CapabilitySet::docker_default().bits(), 0xa80425fb);
        assert!(CapabilitySet::numbered(64).is_empty());
    }

    #[test]
    fn json_round_trip() {
        let set = CapabilitySet::docker_default();
        let json = serde_json::to_string(&set).unwrap();
        assert!(json.starts_with(r#"["CAP_CHOWN","#));
        assert_eq!(serde_json::from_str::<CapabilitySet>(&json).unwrap(), set);
        assert!(serde_json::from_str::<CapabilitySet>(r#"["CAP_NOPE"]"#).is_err());
    }
}
