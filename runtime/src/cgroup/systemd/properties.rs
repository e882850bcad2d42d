//! From the writes of a plan to the properties by which systemd knows the same limits; systemd.resource-control(5). Pure.
//! What systemd has no property for is left out: it does not touch such files.

use super::bus::Value;
use crate::cgroup::{DeviceClass, DeviceRule, Write};

/// What systemd takes for "no limit".
const INFINITY: u64 = u64::MAX;

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// The kernel's own period of a CPU quota, in microseconds.
const PERIOD_DEFAULT: u64 = 100_000;

/// Files with one number, and the property of each.
const NUMBERS: [(&str, &str); 13] = [
    ("memory.max", "MemoryMax"),
    ("memory.high", "MemoryHigh"),
    ("memory.low", "MemoryLow"),
    ("memory.min", "MemoryMin"),
    ("memory.swap.max", "MemorySwapMax"),
    ("pids.max", "TasksMax"),
    ("cpu.weight", "CPUWeight"),
    ("io.weight", "IOWeight"),
    ("io.bfq.weight", "IOWeight"),
    // Version 1.
    ("memory.limit_in_bytes", "MemoryLimit"),
    ("cpu.shares", "CPUShares"),
    ("blkio.weight", "BlockIOWeight"),
    ("blkio.bfq.weight", "BlockIOWeight"),
];

/// The properties of some limits.
pub(super) fn of_limits(limits: &[Write]) -> Vec<(String, Value)> {
    let mut properties = Vec::new();
    let mut put = |name: &str, value| properties.push((name.to_owned(), value));
    for Write { file, value, .. } in limits {
        if let Some((_, property)) = NUMBERS.iter().find(|(name, _)| name == file) {
            if let Some(number) = number(value) {
                put(property, Value::Number(number));
            }
            continue;
        }
        match file.as_str() {
            "cpu.max" => {
                let (quota, period) = value.split_once(' ').unwrap_or((value, ""));
                let period = period.parse().unwrap_or(PERIOD_DEFAULT);
                for (name, value) in quota_of(number(quota), period) {
                    put(name, value);
                }
            }
            "cpu.cfs_quota_us" => {
                let given = limits.iter().find(|other| other.file == "cpu.cfs_period_us");
                let period = given.and_then(|given| given.value.parse().ok());
                for (name, value) in quota_of(number(value), period.unwrap_or(PERIOD_DEFAULT)) {
                    put(name, value);
                }
            }
            // Version 1's systemd has no property for them.
            "cpuset.cpus" => put("AllowedCPUs", Value::Bytes(bit_mask(value))),
            "cpuset.mems" => put("AllowedMemoryNodes", Value::Bytes(bit_mask(value))),
            _ => {}
        }
    }
    properties
}

/// A number, or [`INFINITY`] for `max` and negative ones. `default 100` is what `io.weight` takes.
fn number(text: &str) -> Option<u64> {
    let text = text.strip_prefix("default ").unwrap_or(text);
    if text == "max" || text.starts_with('-') {
        return Some(INFINITY);
    }
    text.parse().ok()
}

fn quota_of(quota: Option<u64>, period: u64) -> Vec<(&'static str, Value)> {
    let per_second = match quota {
        Some(INFINITY) => INFINITY,
        // Rounded up: systemd must not allow less than what is written to the group.
        Some(quota) => {
            let product = u128::from(quota) * u128::from(SECOND);
            u64::try_from(product.div_ceil(u128::from(period.max(1)))).unwrap_or(INFINITY)
        }
        None => return Vec::new(),
    };
    vec![
        ("CPUQuotaPerSecUSec", Value::Number(per_second)),
        ("CPUQuotaPeriodUSec", Value::Number(period)),
    ]
}

/// Bit N of byte N / 8 for each number of a list like `0-2,4`.
fn bit_mask(list: &str) -> Vec<u8> {
    /// More processors or memory nodes than any kernel has.
    const HIGHEST: usize = 8192;
    let mut mask = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse::<usize>(), last.trim().parse::<usize>())
        else {
            continue;
        };
        for bit in first..=last.min(HIGHEST) {
            if mask.len() <= bit / 8 {
                mask.resize(bit / 8 + 1, 0);
            }
            mask[bit / 8] |= 1 << (bit % 8);
        }
    }
    mask
}

/// The device rules, as systemd takes them: a list of what is allowed. A rule that denies after one that allows can not be
/// said; the group's own rules have it.
pub(super) fn of_devices(rules: &[DeviceRule]) -> Vec<(String, Value)> {
    let open = |rule: &DeviceRule| rule.kind == DeviceClass::All && rule.allow;
    if rules.is_empty() || rules.iter().any(open) {
        return vec![("DevicePolicy".to_owned(), Value::Text("auto".to_owned()))];
    }
    let line = |rule: &DeviceRule| {
        let kind = match rule.kind {
            DeviceClass::Block => "block",
            DeviceClass::Character | DeviceClass::All => "char",
        };
        let letters = [(rule.read, 'r'), (rule.write, 'w'), (rule.mknod, 'm')];
        let access =
            letters.iter().filter(|(given, _)| *given).map(|(_, letter)| *letter).collect();
        let node = match (rule.major, rule.minor) {
            (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
            // Unix98 terminals are the one such rule that containers have.
            (Some(136), None) => "char-pts".to_owned(),
            (Some(_), None) => return None,
            (None, _) => format!("{kind}-*"),
        };
        Some((node, access))
    };
    let allowed: Vec<(String, String)> =
        rules.iter().filter(|rule| rule.allow).filter_map(line).collect();
    vec![
        ("DevicePolicy".to_owned(), Value::Text("strict".to_owned())),
        ("DeviceAllow".to_owned(), Value::Pairs(allowed)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(limits: &[(&str, &str)]) -> Vec<(String, Value)> {
        let write = |(file, value): &(&str, &str)| Write {
            controller: String::new(),
            file: (*file).to_owned(),
            or_file: None,
            value: (*value).to_owned(),
        };
        of_limits(&limits.iter().map(write).collect::<Vec<_>>())
    }

    fn named(name: &str, value: Value) -> (String, Value) {
        (name.to_owned(), value)
    }

    #[test]
    fn of_version_2() {
        let found = properties(&[
            ("memory.max", "67108864"),
            ("memory.swap.max", "max"),
            ("cpu.max", "50000 100000"),
            ("cpuset.cpus", "0-1,9"),
            ("io.weight", "default 300"),
            ("hugetlb.2MB.max", "1"),
        ]);
        let expected = [
            named("MemoryMax", Value::Number(67_108_864)),
            named("MemorySwapMax", Value::Number(INFINITY)),
            named("CPUQuotaPerSecUSec", Value::Number(500_000)),
            named("CPUQuotaPeriodUSec", Value::Number(100_000)),
            named("AllowedCPUs", Value::Bytes(vec![0b11, 0b10])),
            named("IOWeight", Value::Number(300)),
        ];
        assert_eq!(found, expected);
        assert_eq!(properties(&[("cpu.max", "max 100000")])[0].1, Value::Number(INFINITY));
        assert_eq!(properties(&[("cpu.max", "1 3")])[0].1, Value::Number(333_334));
    }

    #[test]
    fn of_version_1() {
        let found = properties(&[
            ("cpu.cfs_period_us", "50000"),
            ("cpu.cfs_quota_us", "25000"),
            ("memory.limit_in_bytes", "-1"),
        ]);
        let expected = [
            named("CPUQuotaPerSecUSec", Value::Number(500_000)),
            named("CPUQuotaPeriodUSec", Value::Number(50_000)),
            named("MemoryLimit", Value::Number(INFINITY)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn of_device_rules() {
        let rule = |allow, kind, major, minor| DeviceRule {
            allow,
            kind,
            major,
            minor,
            read: true,
            write: false,
            mknod: true,
        };
        let rules = [
            rule(false, DeviceClass::All, None, None),
            rule(true, DeviceClass::Character, None, None),
            rule(true, DeviceClass::Character, Some(136), None),
            rule(true, DeviceClass::Block, Some(8), Some(1)),
        ];
        let pair = |node: &str| (node.to_owned(), "rm".to_owned());
        let allowed = vec![pair("char-*"), pair("char-pts"), pair("/dev/block/8:1")];
        assert_eq!(of_devices(&rules)[1], named("DeviceAllow", Value::Pairs(allowed)));
        let all = [rule(true, DeviceClass::All, None, None)];
        assert_eq!(of_devices(&all), [named("DevicePolicy", Value::Text("auto".to_owned()))]);
    }
}
