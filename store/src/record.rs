//! Documents that the daemon wants back after any death of its process. Opaque here: a kind, an
//! id, perhaps a name that is unique within the kind, and a JSON text.
//!
//! A change costs one write into SQLite's log and no sync: it survives `kill -9` at once and a
//! power cut from the next sync on.

use std::sync::Arc;

use crate::Inner;
use crate::db::{DbError, records};

/// Why a record cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The name belongs to another record of this kind.
    #[error("{kind} name {name:?} is in use by {holder}")]
    NameTaken {
        /// The records' kind.
        kind: String,
        /// The name that was asked for.
        name: String,
        /// Id of the record that has it.
        holder: String,
    },
    /// The id belongs to another record of this kind.
    #[error("{kind} {id} exists")]
    IdTaken {
        /// The records' kind.
        kind: String,
        /// The id that was asked for.
        id: String,
    },
    /// There is no such record.
    #[error("no {kind} {id}")]
    NotFound {
        /// The records' kind.
        kind: String,
        /// The id that was asked for.
        id: String,
    },
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// One document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Unique within its kind.
    pub id: String,
    /// Unique within its kind, if there is one.
    pub name: Option<String>,
    /// The document.
    pub json: String,
}

/// The daemon's documents.
#[derive(Debug, Clone)]
pub struct Records {
    pub(crate) inner: Arc<Inner>,
}

impl Records {
    /// Adds a record.
    ///
    /// # Errors
    /// `NameTaken`, `IdTaken`, or the database's.
    pub fn insert(
        &self,
        kind: &str,
        id: &str,
        name: Option<&str>,
        json: &str,
    ) -> Result<(), RecordError> {
        let mut writer = self.inner.db.lock();
        if let Some(name) = name
            && let Some(holder) = writer.read(|db| records::holder(db, kind, name))?
        {
            return Err(name_taken(kind, name, holder));
        }
        let inserted = writer.write(|db| records::insert(db, kind, id, name, json))?;
        self.inner.keeper.written();
        if inserted {
            return Ok(());
        }
        Err(RecordError::IdTaken { kind: kind.to_owned(), id: id.to_owned() })
    }

    /// Replaces a record's document.
    ///
    /// # Errors
    /// `NotFound`, or the database's.
    pub fn update(&self, kind: &str, id: &str, json: &str) -> Result<(), RecordError> {
        let updated = self.inner.db.lock().write(|db| records::update(db, kind, id, json))?;
        self.inner.keeper.written();
        found(updated, kind, id)
    }

    /// Gives a record another name.
    ///
    /// # Errors
    /// `NameTaken`, `NotFound`, or the database's.
    pub fn rename(&self, kind: &str, id: &str, name: &str) -> Result<(), RecordError> {
        let mut writer = self.inner.db.lock();
        match writer.read(|db| records::holder(db, kind, name))? {
            Some(holder) if holder != id => return Err(name_taken(kind, name, holder)),
            _ => {}
        }
        let updated = writer.write(|db| records::rename(db, kind, id, name))?;
        self.inner.keeper.written();
        found(updated, kind, id)
    }

    /// Removes a record; says whether there was one.
    ///
    /// # Errors
    /// The database's.
    pub fn delete(&self, kind: &str, id: &str) -> Result<bool, RecordError> {
        let deleted = self.inner.db.lock().write(|db| records::delete(db, kind, id))?;
        self.inner.keeper.written();
        Ok(deleted)
    }

    /// One record.
    ///
    /// # Errors
    /// The database's.
    pub fn get(&self, kind: &str, id: &str) -> Result<Option<Record>, RecordError> {
        Ok(self.inner.db.read(|db| records::get(db, kind, id))?)
    }

    /// All records of a kind, by id.
    ///
    /// # Errors
    /// The database's.
    pub fn list(&self, kind: &str) -> Result<Vec<Record>, RecordError> {
        Ok(self.inner.db.read(|db| records::list(db, kind))?)
    }
}

fn found(is_found: bool, kind: &str, id: &str) -> Result<(), RecordError> {
    if is_found {
        return Ok(());
    }
    Err(RecordError::NotFound { kind: kind.to_owned(), id: id.to_owned() })
}

fn name_taken(kind: &str, name: &str, holder: String) -> RecordError {
    RecordError::NameTaken { kind: kind.to_owned(), name: name.to_owned(), holder }
}
