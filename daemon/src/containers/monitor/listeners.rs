//! Who listens on a container's monitor socket, for monitors that say nothing and whose pid nobody kept: the daemon that
//! made them has died.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use runtime::launch::MonitorPid;

use super::SOCKET;

/// The name of a process that is a monitor, proc_pid_comm(5).
const COMM: &str = "jocker-monitor";

/// All unix sockets of the daemon's network namespace, the monitors' among them; proc_net(5).
const SOCKETS: &str = "/proc/self/net/unix";

/// The monitors that have the socket of this container, as a rule one. Looks at all processes.
pub(in crate::containers) fn listeners(id: &str) -> Vec<MonitorPid> {
    let Ok(table) = File::open(SOCKETS) else { return Vec::new() };
    let sockets = sockets(BufReader::new(table), id);
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let holds = |pid: &i32| is_monitor(*pid) && holds_one_of(*pid, &sockets);
    pids.filter(holds).map(MonitorPid).collect()
}

/// Whether this process is a monitor.
pub(in crate::containers) fn is_monitor(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == COMM)
}

/// What descriptors of the container's sockets are links to, `socket:[1234]`: by lines of address, count, protocol, flags,
/// type, state, inode and path.
fn sockets(table: impl BufRead, id: &str) -> HashSet<String> {
    let own = Path::new(id).join(SOCKET);
    let inode = |line: String| {
        let mut fields = line.split_ascii_whitespace().skip(6);
        let (inode, path) = (fields.next()?, fields.next()?);
        Path::new(path).ends_with(&own).then(|| format!("socket:[{inode}]"))
    };
    table.lines().map_while(Result::ok).filter_map(inode).collect()
}

fn holds_one_of(pid: i32, sockets: &HashSet<String>) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.into_iter().any(|link| link.to_str().is_some_and(|link| sockets.contains(link)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_by_the_container_in_their_name() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 41 /proc/self/fd/9/aa/monitor.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 42 /proc/self/fd/9/ab/monitor.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 43\n";
        assert_eq!(sockets(table.as_bytes(), "ab"), HashSet::from(["socket:[42]".to_owned()]));
        assert!(sockets(table.as_bytes(), "b").is_empty());
    }
}
