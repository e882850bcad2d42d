//! The processors of an exec, before and after it enters the container's control groups; config.md "Linux Process".

use oci_spec::runtime::ExecCPUAffinity;
use serde::{Deserialize, Serialize};

use super::PlanError;
use super::compile::invalid;

/// Most processors or memory nodes that can be named; `CPU_SETSIZE`, CPU_SET(3), and the kernel's `MAX_NUMNODES`.
const NUMBERS_MAX: u32 = 1024;

/// Processors by their numbers; empty where the kernel decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affinity {
    /// Until the process is in its control groups.
    pub initial: Vec<u32>,
    /// From then on.
    pub last: Vec<u32>,
}

pub(super) fn compile(
    wanted: Option<&ExecCPUAffinity>,
    at: &str,
) -> Result<Option<Affinity>, PlanError> {
    let Some(wanted) = wanted else { return Ok(None) };
    let list = |text: &Option<String>, name: &str| {
        let text = text.as_deref().unwrap_or_default();
        parse(text).ok_or_else(|| {
            let field = format!("{at}.execCPUAffinity.{name}");
            invalid(field, format!("{text:?} is no list of processors"))
        })
    };
    let initial = list(wanted.initial(), "initial")?;
    let last = list(wanted.cpu_affinity_final(), "final")?;
    Ok(Some(Affinity { initial, last }))
}

/// Reads `0-3,7`.
pub(super) fn parse(text: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for range in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= NUMBERS_MAX {
            return None;
        }
        all.extend(first..=last);
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(parse("0-3,7").unwrap(), [0, 1, 2, 3, 7]);
        assert_eq!(parse(" 5 , 1-2,2").unwrap(), [1, 2, 5]);
        assert!(parse("").unwrap().is_empty());
        for bad in ["x", "3-1", "1,", "1024", "-1", "1--2"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
