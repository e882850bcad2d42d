//! The exit record, and the times and numbers that go into it.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use jiff::Timestamp;

use super::protocol::ExitRecord;

/// Now, in RFC 3339 with up to nine digits of a second, UTC.
pub(super) fn now() -> String {
    Timestamp::now().to_string()
}

/// Writes the record so that a reader sees all of it or nothing. Not synced to the disk: it has to
/// survive the death of processes, and with the machine the container is gone as well.
pub(super) fn write(path: &Path, record: &ExitRecord) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    fs::rename(&temporary, path)
}

/// Start time of a process in clock ticks since boot: field 22 of proc_pid_stat(5). 0 when it can
/// not be read.
pub(super) fn start_ticks(pid: i32) -> u64 {
    /// Longer than the line: some fifty numbers and a name of at most 64 bytes.
    const STAT_MAX: usize = 2048;
    let mut stat = [0; STAT_MAX];
    let read =
        fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut file| file.read(&mut stat));
    let stat = read.map_or("".into(), |count| String::from_utf8_lossy(&stat[..count]));
    parse_start_ticks(&stat).unwrap_or(0)
}

/// The name in field 2 may hold spaces and parentheses: count from the last one.
fn parse_start_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 424242 99 100";
        assert_eq!(parse_start_ticks(stat), Some(424_242));
        assert_eq!(parse_start_ticks("7 (a"), None);
        assert!(start_ticks(1) < start_ticks(std::process::id().cast_signed()));
    }

    #[test]
    fn records_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("exit.json");
        let record = ExitRecord {
            exit_code: 137,
            signal: Some(9),
            oom_killed: true,
            started_at: now(),
            finished_at: now(),
        };
        write(&path, &record).unwrap();
        let read: ExitRecord = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(read, record);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
