//! What a container uses, beyond what is looked at every second: for those who ask for all of it.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::{keyed, read_or_empty};

/// Files of cpuset in version 1, by the names that runc gives them.
const CPUSET: [&str; 9] = [
    "cpu_exclusive",
    "mem_exclusive",
    "mem_hardwall",
    "memory_migrate",
    "memory_pressure",
    "memory_spread_page",
    "memory_spread_slab",
    "sched_load_balance",
    "sched_relax_domain_level",
];

/// Further figures of one container at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// Memory and swap together.
    pub(crate) swap: Account,
    /// Version 1 only, as is the next.
    pub(crate) kernel: Account,
    /// Buffers of TCP.
    pub(crate) kernel_tcp: Account,
    pub(crate) cpus: Vec<u16>,
    pub(crate) memory_nodes: Vec<u16>,
    /// Version 1 only: the other files of cpuset.
    pub(crate) cpuset: BTreeMap<&'static str, i64>,
    /// By the size of a page, as in the files' names: `2MB`.
    pub(crate) huge_pages: BTreeMap<String, Account>,
    /// Nanoseconds in the kernel and outside of it, by processor; version 1 only.
    pub(crate) per_cpu: Vec<(u64, u64)>,
}

/// One kind of memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) usage: u64,
    pub(crate) max_usage: u64,
    /// `None` when there is no limit.
    pub(crate) limit: Option<u64>,
    pub(crate) failures: u64,
}

/// Reads version 1's files; `of` names the directory of a controller.
pub(super) fn version_1<'a>(of: impl Fn(&str) -> Option<&'a Path>) -> Details {
    let text = |controller: &str, file: &str| {
        of(controller).map(|directory| read_or_empty(&directory.join(file))).unwrap_or_default()
    };
    let number = |controller: &str, file: &str| text(controller, file).trim().parse().ok();
    let account = |controller: &str, of: &str| Account {
        usage: number(controller, &format!("{of}.usage_in_bytes")).unwrap_or(0),
        max_usage: number(controller, &format!("{of}.max_usage_in_bytes")).unwrap_or(0),
        limit: number(controller, &format!("{of}.limit_in_bytes")),
        failures: number(controller, &format!("{of}.failcnt")).unwrap_or(0),
    };
    let of_cpuset = |name: &&'static str| {
        let value = text("cpuset", &format!("cpuset.{name}")).trim().parse().ok()?;
        Some((*name, value))
    };
    let of_pages = |size: String| {
        let account = account("hugetlb", &format!("hugetlb.{size}"));
        (size, account)
    };
    let sizes = of("hugetlb").map(|group| page_sizes(group, ".limit_in_bytes"));
    Details {
        swap: account("memory", "memory.memsw"),
        kernel: account("memory", "memory.kmem"),
        kernel_tcp: account("memory", "memory.kmem.tcp"),
        cpus: numbers(&text("cpuset", "cpuset.cpus")),
        memory_nodes: numbers(&text("cpuset", "cpuset.mems")),
        cpuset: CPUSET.iter().filter_map(of_cpuset).collect(),
        huge_pages: sizes.unwrap_or_default().into_iter().map(of_pages).collect(),
        per_cpu: per_cpu(&text("cpuacct", "cpuacct.usage_all")),
    }
}

/// Reads version 2's files.
pub(super) fn version_2(directory: &Path) -> Details {
    let text = |file: &str| read_or_empty(&directory.join(file));
    let number = |file: &str| text(file).trim().parse().ok();
    // Version 2 counts them apart.
    let both = |of: &str| -> Option<u64> {
        Some(number(&format!("memory.{of}"))? + number(&format!("memory.swap.{of}"))?)
    };
    let of_pages = |size: String| {
        let account = Account {
            usage: number(&format!("hugetlb.{size}.current")).unwrap_or(0),
            max_usage: 0,
            limit: number(&format!("hugetlb.{size}.max")),
            failures: keyed(&text(&format!("hugetlb.{size}.events")), "max").unwrap_or(0),
        };
        (size, account)
    };
    Details {
        swap: Account {
            usage: both("current").unwrap_or(0),
            limit: both("max"),
            failures: keyed(&text("memory.swap.events"), "max").unwrap_or(0),
            max_usage: 0,
        },
        cpus: numbers(&text("cpuset.cpus.effective")),
        memory_nodes: numbers(&text("cpuset.mems.effective")),
        huge_pages: page_sizes(directory, ".current").into_iter().map(of_pages).collect(),
        ..Details::default()
    }
}

/// Sizes of huge pages that a group counts: those of files `hugetlb.2MB` with this ending.
fn page_sizes(group: &Path, ending: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(group) else { return Vec::new() };
    let size = |name: String| {
        let size = name.strip_prefix("hugetlb.")?.strip_suffix(ending)?;
        (!size.contains('.')).then(|| size.to_owned())
    };
    entries.flatten().filter_map(|entry| size(entry.file_name().into_string().ok()?)).collect()
}

/// `0-2,7`
fn numbers(list: &str) -> Vec<u16> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse::<u16>().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

/// A line of titles, then `0 1200 3400`: processor, time outside the kernel, time in it.
fn per_cpu(text: &str) -> Vec<(u64, u64)> {
    let line = |line: &str| {
        let mut words = line.split(' ').skip(1).map(|word| word.parse().ok());
        let (user, kernel) = (words.next()??, words.next()??);
        Some((kernel, user))
    };
    text.lines().skip(1).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_numbers() {
        assert_eq!(numbers("0-2,7\n"), [0, 1, 2, 7]);
        assert_eq!(numbers("\n"), [0; 0]);
    }

    #[test]
    fn times_of_processors() {
        assert_eq!(per_cpu("cpu user system\n0 12 34\n1 5 6\n"), [(34, 12), (6, 5)]);
        assert_eq!(per_cpu(""), []);
    }

    #[test]
    fn files_of_version_2() {
        let group = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("memory.current", "100\n"),
            ("memory.swap.current", "20\n"),
            ("memory.max", "1000\n"),
            ("memory.swap.max", "max\n"),
            ("memory.swap.events", "high 0\nmax 3\nfail 0\n"),
            ("hugetlb.2MB.current", "4096\n"),
            ("hugetlb.2MB.max", "max\n"),
            ("hugetlb.2MB.rsvd.current", "0\n"),
        ] {
            std::fs::write(group.path().join(file), text).unwrap();
        }
        let details = version_2(group.path());
        assert_eq!(details.swap, Account { usage: 120, failures: 3, ..Account::default() });
        let pages = Account { usage: 4096, ..Account::default() };
        assert_eq!(details.huge_pages, BTreeMap::from([("2MB".to_owned(), pages)]));
    }
}
