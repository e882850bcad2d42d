//! The columns of `ps -ef`, read from `/proc`; proc_pid_stat(5), ps(1).

use std::fs;

use api_spec::container::TopResponse;
use jiff::Timestamp;
use jiff::tz::TimeZone;

const TITLES: [&str; 8] = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
/// Longest user name that is shown; longer ones end in `+`.
const NAME_MAX: usize = 8;
/// Longest command line that is read, in bytes.
const COMMAND_MAX: usize = 128 * 1024;
/// Majors of terminals: consoles, and the slaves of pseudo terminals.
const TTY_MAJOR: u32 = 4;
const PTS_MAJOR: u32 = 136;
/// Minor of the first serial line among the consoles.
const SERIAL_FIRST: u32 = 64;

/// What the host adds to the numbers of a process.
struct Host {
    /// Ticks a second of the times in `/proc`.
    ticks: u64,
    /// Milliseconds since the host came up.
    uptime: u64,
    now: Timestamp,
    zone: TimeZone,
    /// `/etc/passwd`.
    users: String,
}

/// One row a process; those that end meanwhile are left out.
pub(super) fn table(pids: &[i32]) -> TopResponse {
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds: f64 =
        uptime.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default();
    let host = Host {
        ticks: ticks.and_then(|ticks| u64::try_from(ticks).ok()).unwrap_or(100).max(1),
        uptime: (seconds * 1000.0) as u64,
        now: Timestamp::now(),
        zone: TimeZone::system(),
        users: fs::read_to_string("/etc/passwd").unwrap_or_default(),
    };
    TopResponse {
        processes: pids.iter().filter_map(|pid| row(*pid, &host)).collect(),
        titles: TITLES.map(str::to_owned).to_vec(),
    }
}

fn row(pid: i32, host: &Host) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Numbers of the man page, of which the first here is 3.
    let number = |field: usize| -> Option<u64> { fields.get(field - 3)?.parse().ok() };
    let effective = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let uid: u32 = effective.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let milliseconds = |ticks: u64| ticks.saturating_mul(1000) / host.ticks;
    let used = milliseconds(number(14)? + number(15)?);
    let age = host.uptime.saturating_sub(milliseconds(number(22)?));
    let percent = used.saturating_mul(100).checked_div(age).unwrap_or(0).min(99);
    let terminal: i64 = fields.get(7 - 3)?.parse().ok()?;
    Some(vec![
        user(uid, &host.users),
        pid.to_string(),
        number(4)?.to_string(),
        percent.to_string(),
        start(age, host),
        tty(terminal as u32),
        time(used / 1000),
        command(pid, name, fields.first() == Some(&"Z")),
    ])
}

/// The name of a user of the host, else the number.
fn user(uid: u32, users: &str) -> String {
    let number = uid.to_string();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then_some(name)
    });
    match name {
        Some(name) if name.len() > NAME_MAX => {
            name.chars().take(NAME_MAX - 1).chain(['+']).collect()
        }
        Some(name) => name.to_owned(),
        None => number,
    }
}

/// The time of day if it began today, else the day, else the year.
fn start(age: u64, host: &Host) -> String {
    let age = jiff::SignedDuration::from_millis(i64::try_from(age).unwrap_or_default());
    let began = host.now.checked_sub(age).unwrap_or(host.now).to_zoned(host.zone.clone());
    let now = host.now.to_zoned(host.zone.clone());
    let form = match (began.year() == now.year(), began.date() == now.date()) {
        (_, true) => "%H:%M",
        (true, false) => "%b%d",
        (false, _) => "%Y",
    };
    began.strftime(form).to_string()
}

fn tty(device: u32) -> String {
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    match major {
        TTY_MAJOR if minor < SERIAL_FIRST => format!("tty{minor}"),
        TTY_MAJOR => format!("ttyS{}", minor - SERIAL_FIRST),
        PTS_MAJOR => format!("pts/{minor}"),
        _ => "?".to_owned(),
    }
}

/// `[days-]hours:minutes:seconds`.
fn time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let day = if days > 0 { format!("{days}-") } else { String::new() };
    format!("{day}{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The command line; the name in brackets where there is none.
fn command(pid: i32, name: &str, is_zombie: bool) -> String {
    let mut line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.truncate(COMMAND_MAX);
    while line.last() == Some(&0) {
        line.pop();
    }
    if line.is_empty() {
        let end = if is_zombie { " <defunct>" } else { "" };
        return format!("[{name}]{end}");
    }
    let text = String::from_utf8_lossy(&line);
    text.chars().map(|each| if each == '\0' || each == '\n' { ' ' } else { each }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns() {
        let users = "root:x:0:0::/:/bin/sh\nsystemd-network:x:998:998::/:/bin/false\n";
        assert_eq!(user(0, users), "root");
        assert_eq!(user(998, users), "systemd+");
        assert_eq!(user(7, users), "7");
        assert_eq!(tty(0), "?");
        assert_eq!(tty((136 << 8) | 3), "pts/3");
        assert_eq!(tty((4 << 8) | 64), "ttyS0");
        assert_eq!(time(3661), "01:01:01");
        assert_eq!(time(90_000), "1-01:00:00");
    }

    #[test]
    fn own_process_is_a_row() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let table = table(&[pid, i32::MAX]);
        assert_eq!(table.processes.len(), 1);
        assert_eq!(table.processes[0].len(), table.titles.len());
        assert_eq!(table.processes[0][1], pid.to_string());
    }
}
