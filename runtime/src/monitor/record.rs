//! The exit record, and the times and numbers that go into it.

use std::fs;
use std::io::{self, Write};
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

#[cfg(test)]
mod tests {
    use super::*;

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
