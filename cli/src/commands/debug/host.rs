//! The machine that the daemon runs on, as far as containers depend on it, and the daemon's processes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::bundle::Bundle;
use super::secrets;
use crate::commands::Outcome;

/// Files that are shown as they are: the page, the file, what it is.
const FILES: [(&str, &str, &str); 6] = [
    ("host/kernel.txt", "/proc/version", "the kernel"),
    ("host/os-release.txt", "/etc/os-release", "the system"),
    ("host/memory.txt", "/proc/meminfo", "memory"),
    ("host/load.txt", "/proc/loadavg", "load"),
    ("host/cgroups.txt", "/proc/cgroups", "controllers of control groups"),
    ("host/filesystems.txt", "/proc/filesystems", "file systems that the kernel knows"),
];
/// Settings of the kernel that containers depend on, below /proc/sys.
const SETTINGS: [&str; 13] = [
    "fs/file-nr",
    "fs/inotify/max_user_instances",
    "kernel/keys/maxkeys",
    "kernel/pid_max",
    "kernel/threads-max",
    "net/bridge/bridge-nf-call-iptables",
    "net/ipv4/conf/all/forwarding",
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
    "user/max_net_namespaces",
    "vm/overcommit_memory",
];
/// Programs whose output is told: the page, the command, what it is.
const PROGRAMS: [(&str, &[&str], &str); 5] = [
    ("host/nft.txt", &["nft", "list", "ruleset"], "packet filter rules"),
    ("host/links.txt", &["ip", "-d", "link"], "network interfaces"),
    ("host/addresses.txt", &["ip", "address"], "their addresses"),
    ("host/routes.txt", &["ip", "route", "show", "table", "all"], "routes"),
    (
        "daemon/log.txt",
        &["journalctl", "--unit=jockerd", "--lines=5000", "--no-pager", "--output=short-precise"],
        "the daemon's log, as far as the journal has it",
    ),
];
/// The daemon's configuration where none is named.
const CONFIGURATION: &str = "/etc/jocker/daemon.json";
/// How the daemon, its launcher and the containers' monitors are called.
const PROCESS: &str = "jockerd";

/// Adds what there is to know; `data` is the daemon's data root.
pub(super) fn gather(bundle: &mut Bundle, data: Option<&str>) -> Outcome {
    for (page, file, what) in FILES {
        bundle.add(page, what, read(file))?;
    }
    bundle.add("host/settings.txt", "settings of the kernel", Ok(settings()))?;
    bundle.add("host/mounts.txt", "mounts of control groups and of the daemon's", mounts(data))?;
    let space = data.ok_or_else(|| "the daemon did not say where its data are".to_owned());
    bundle.add("host/space.txt", "room where the data are", space.and_then(space_of))?;
    for (page, command, what) in PROGRAMS {
        bundle.add(page, what, output(command))?;
    }
    let processes = processes();
    let configuration = read(&configuration_of(&processes));
    let configuration = configuration.map(|text| without_secrets(&text));
    bundle.add("daemon/daemon.json", "its configuration file", configuration)?;
    let text: String = processes.iter().map(|process| format!("{process}\n")).collect();
    let what = "processes of the daemon: pid, state, what is waited for, memory, command";
    bundle.add("daemon/processes.txt", what, Ok(text))
}

fn read(file: &str) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("read {file}: {error}"))
}

fn settings() -> String {
    let mut text = String::new();
    for name in SETTINGS {
        let value = fs::read_to_string(Path::new("/proc/sys").join(name));
        let value = value.map_or_else(|error| error.to_string(), |value| value.trim().to_owned());
        let _ = writeln!(text, "{name} = {value}");
    }
    text
}

fn mounts(data: Option<&str>) -> Result<String, String> {
    let is_ours = |line: &&str| {
        let concerns = |part: &str| line.contains(part);
        concerns("jocker") || concerns("/sys/fs/cgroup") || data.is_some_and(concerns)
    };
    let all = read("/proc/self/mountinfo")?;
    Ok(all.lines().filter(is_ours).map(|line| format!("{line}\n")).collect())
}

fn space_of(data: &str) -> Result<String, String> {
    let room = rustix::fs::statvfs(data).map_err(|error| format!("statvfs {data}: {error}"))?;
    let bytes = |blocks: u64| blocks.saturating_mul(room.f_frsize);
    Ok(format!(
        "{data}\nbytes: {} of {} free\ninodes: {} of {} free\n",
        bytes(room.f_bavail),
        bytes(room.f_blocks),
        room.f_favail,
        room.f_files
    ))
}

fn output(command: &[&str]) -> Result<String, String> {
    let name = command[0];
    let output = Command::new(name).args(&command[1..]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("run {name}: {error}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{name}: {}: {}", output.status, errors.trim()));
    }
    Ok(secrets::of_text(&String::from_utf8_lossy(&output.stdout)))
}

/// A line for each process of the daemon's program; those that end meanwhile are left out.
fn processes() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let file = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        let command = file("cmdline")?.replace('\0', " ");
        let program = command.split(' ').next()?.rsplit('/').next()?;
        program.starts_with(PROCESS).then_some(())?;
        let status = file("status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map_or("?", |value| value.trim()).to_owned()
        };
        let waits = file("wchan").unwrap_or_default();
        let (state, memory, threads) = (field("State:"), field("VmRSS:"), field("Threads:"));
        let command = secrets::of_text(command.trim());
        Some(format!("{pid}  {state}  {waits}  {memory}  {threads} threads  {command}"))
    })
    .collect()
}

/// The configuration file that a daemon's command line names.
fn configuration_of(processes: &[String]) -> String {
    let named = processes.iter().find_map(|process| {
        let mut words = process.split(' ').skip_while(|word| !word.starts_with("--config-file"));
        let word = words.next()?;
        word.strip_prefix("--config-file=").or_else(|| words.next()).map(str::to_owned)
    });
    named.unwrap_or_else(|| CONFIGURATION.to_owned())
}

/// The configuration without secrets; as text where it is no JSON.
fn without_secrets(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(value) => super::shown(&value),
        Err(_) => secrets::of_text(text),
    }
}
