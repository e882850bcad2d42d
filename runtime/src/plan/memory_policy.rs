//! The NUMA policy of a container's memory, as the kernel's numbers; config-linux.md "Memory policy".

use oci_spec::runtime::{Linux, MemoryPolicyFlagType, MemoryPolicyModeType};
use serde::{Deserialize, Serialize};

use super::compile::invalid;
use super::{PlanError, affinity};

/// From which nodes memory is taken; set_mempolicy(2). Which policies and nodes there are, the kernel knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPolicy {
    /// Mode and flags.
    pub mode: u32,
    /// By their numbers, ascending.
    pub nodes: Vec<u32>,
}

pub(super) fn compile(linux: &Linux) -> Result<Option<MemoryPolicy>, PlanError> {
    let Some(wanted) = linux.memory_policy() else { return Ok(None) };
    let mode: u32 = match wanted.mode() {
        MemoryPolicyModeType::MpolDefault => 0,
        MemoryPolicyModeType::MpolPreferred => 1,
        MemoryPolicyModeType::MpolBind => 2,
        MemoryPolicyModeType::MpolInterleave => 3,
        MemoryPolicyModeType::MpolLocal => 4,
        MemoryPolicyModeType::MpolPreferredMany => 5,
        MemoryPolicyModeType::MpolWeightedInterleave => 6,
    };
    let flags = wanted.flags().iter().flatten().fold(0, |flags, flag| {
        flags
            | match flag {
                MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
                MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
                MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
            }
    });
    let text = wanted.nodes().as_deref().unwrap_or_default();
    let nodes = affinity::parse(text).ok_or_else(|| {
        invalid("linux.memoryPolicy.nodes", format!("{text:?} is no list of nodes"))
    })?;
    Ok(Some(MemoryPolicy { mode: mode | flags, nodes }))
}

impl MemoryPolicy {
    /// The nodes as the bits of set_mempolicy(2); empty without any.
    pub(crate) fn mask(&self) -> Vec<u64> {
        let words = self.nodes.iter().max().map_or(0, |last| *last as usize / 64 + 1);
        let mut mask = vec![0; words];
        self.nodes.iter().for_each(|node| mask[*node as usize / 64] |= 1 << (node % 64));
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let mask = |nodes: &[u32]| MemoryPolicy { mode: 0, nodes: nodes.to_vec() }.mask();
        assert!(mask(&[]).is_empty());
        assert_eq!(mask(&[0, 3]), [9]);
        assert_eq!(mask(&[64]), [0, 1]);
    }
}
