//! The database: the only module, with its children, that knows SQL.
//!
//! One connection writes, behind a mutex that is also the store's lock over names; another reads.
//! Commits survive any death of the process; those made by [`Db::durable`] survive a power cut too.
//! Checkpoints, which sync, are made by the keeper's thread and not on a caller's path.

pub(crate) mod checkpoint;
pub(crate) mod images;
mod migrations;
pub(crate) mod records;
pub(crate) mod snapshots;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior};

use crate::digest::Digest;

const FILE: &str = "jocker.db";
/// Where commits go until a checkpoint; there as long as a connection is open.
const LOG: &str = "jocker.db-wal";
/// Page cache of a connection, in KiB: the working set is small, memory is dear.
const CACHE_KIB: i64 = 512;
/// Bytes that the log's file keeps when the log begins anew.
const LOG_KEPT: i64 = 16 << 20;
/// How long a statement waits for the checkpoint's short locks, in milliseconds.
const BUSY_TIMEOUT_MS: i64 = 5_000;

/// A failed call on the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A file cannot be made or synced.
    #[error("{call} database {path:?}: {source}")]
    File {
        /// What was tried.
        call: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The schema cannot be brought to this version.
    #[error("migrate database: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    /// A newer program has changed the schema.
    #[error(
        "database has schema version {found}, known are those up to {known}: a newer program wrote it"
    )]
    TooNew {
        /// Of the file.
        found: usize,
        /// The newest that this program knows.
        known: usize,
    },
    /// A row holds a name that this version cannot read.
    #[error("database: unreadable name {name:?}: {source}")]
    Name {
        /// The text that is there.
        name: String,
        /// What is wrong with it.
        source: crate::reference::ReferenceError,
    },
}

/// Both connections.
#[derive(Debug)]
pub(crate) struct Db {
    path: PathBuf,
    writer: Arc<Mutex<Connection>>,
    reader: Mutex<Connection>,
}

impl Db {
    pub(crate) fn open(root: &Path) -> Result<Self, DbError> {
        let path = root.join(FILE);
        // SQLite gives its log the same mode.
        let private = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        private.map_err(|source| DbError::File { call: "create", path: path.clone(), source })?;
        let mut writer = connect(&path)?;
        migrations::run(&mut writer)?;
        let reader = connect(&path)?;
        Ok(Self { path, writer: Arc::new(Mutex::new(writer)), reader: Mutex::new(reader) })
    }

    /// The writer, for several steps under the store's lock over names.
    pub(crate) fn lock(&self) -> Writer<'_> {
        // A panic while holding it rolled its transaction back: the connection is sound.
        Writer { connection: self.writer.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// One transaction that survives a power cut too. The log is synced when the lock is free
    /// again: nobody who only wants a quick write waits for the disk.
    pub(crate) fn durable<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, DbError> {
        let value = self.lock().write(change)?;
        self.sync()?;
        Ok(value)
    }

    /// Makes all that was committed survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), DbError> {
        let log = self.path.with_file_name(LOG);
        let synced = File::open(&log).and_then(|file| file.sync_data());
        synced.map_err(|source| DbError::File { call: "sync", path: log, source })
    }

    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, DbError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(query(&reader)?)
    }
}

/// The writer's connection while it is held.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    connection: MutexGuard<'a, Connection>,
}

impl Writer<'_> {
    /// One transaction that survives any death of the process.
    pub(crate) fn write<T>(
        &mut self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, DbError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = change(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Reads with the names locked.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, DbError> {
        Ok(query(&self.connection)?)
    }
}

/// What SQLite finds wrong with its file and with rows that name each other; PRAGMA
/// integrity_check and foreign_key_check.
pub(crate) fn problems(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems: Vec<String> = db
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    problems.retain(|problem| problem != "ok");
    let mut statement = db.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        problems.push(format!("a row of {table} names one of {parent} that is not there"));
    }
    Ok(problems)
}

fn connect(path: &Path) -> Result<Connection, DbError> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)?;
    Ok(connection)
}

impl ToSql for Digest {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for Digest {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_str()?).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}
