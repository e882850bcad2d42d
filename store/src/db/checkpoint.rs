//! Moves what the log holds into the database's file, so that the log begins anew instead of growing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rusqlite::Connection;

use super::{Db, DbError, connect};

/// Frames of the log, a page each, beyond which all of it is moved even if writers wait meanwhile.
const LONG: i64 = 4096;

/// What a checkpoint needs of the database, which it does not keep open.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    path: PathBuf,
    writer: Weak<Mutex<Connection>>,
}

impl Checkpoint {
    pub(crate) fn of(db: &Db) -> Self {
        Self { path: db.path.clone(), writer: Arc::downgrade(&db.writer) }
    }

    /// Syncs, so it is not for a caller's path. Nobody waits for it, unless the log has become long. It begins anew only
    /// when all of it has been moved, and busy writers have added to it meanwhile: then they wait for the rest.
    pub(crate) fn run(&self) -> Result<(), DbError> {
        let connection = connect(&self.path)?;
        if passive(&connection)? > LONG
            && let Some(writer) = self.writer.upgrade()
        {
            let _writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            passive(&connection)?;
        }
        Ok(())
    }
}

/// Moves what is in the log by now; how many frames that log had.
fn passive(connection: &Connection) -> Result<i64, DbError> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Bytes that the log may have: what is written until a checkpoint notices, and while it is at work.
    const LOG_BYTES: u64 = 4 * LONG.unsigned_abs() * 4096;
    const ROUNDS: u32 = 20_000;
    /// Somebody else must have a chance to lock.
    const PAUSE: Duration = Duration::from_micros(100);

    #[test]
    fn the_log_begins_anew_beside_a_busy_writer() {
        let root = tempfile::TempDir::new().expect("directory");
        let db = Db::open(root.path()).expect("open");
        let log = db.path.with_file_name(super::super::LOG);
        let checkpoint = Checkpoint::of(&db);
        let over = AtomicBool::new(false);
        let longest = thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    let write = |db: &rusqlite::Transaction<'_>| {
                        let row = "INSERT OR REPLACE INTO records VALUES ('k', ?1, NULL, ?2)";
                        db.prepare_cached(row)?.execute((round % 50, "x".repeat(3000)))
                    };
                    db.lock().write(write).expect("write");
                    thread::sleep(PAUSE);
                }
                over.store(true, Ordering::Relaxed);
            });
            let mut longest = 0;
            while !over.load(Ordering::Relaxed) {
                checkpoint.run().expect("checkpoint");
                longest = longest.max(std::fs::metadata(&log).expect("log").len());
            }
            longest
        });
        assert!(longest < LOG_BYTES, "{longest} bytes");
        assert!(longest > 0);
    }
}
