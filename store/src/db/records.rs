//! Rows of the daemon's records.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::record::Record;

/// Who holds a name.
pub(crate) fn holder(
    connection: &Connection,
    kind: &str,
    name: &str,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT id FROM records WHERE kind = ?1 AND name = ?2")?
        .query_row(params![kind, name], |row| row.get(0))
        .optional()
}

pub(crate) fn insert(
    transaction: &Transaction<'_>,
    kind: &str,
    id: &str,
    name: Option<&str>,
    json: &str,
) -> rusqlite::Result<bool> {
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO records (kind, id, name, json) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (kind, id) DO NOTHING",
        )?
        .execute(params![kind, id, name, json])?;
    Ok(inserted == 1)
}

pub(crate) fn update(
    transaction: &Transaction<'_>,
    kind: &str,
    id: &str,
    json: &str,
) -> rusqlite::Result<bool> {
    let updated = transaction
        .prepare_cached("UPDATE records SET json = ?3 WHERE kind = ?1 AND id = ?2")?
        .execute(params![kind, id, json])?;
    Ok(updated == 1)
}

pub(crate) fn rename(
    transaction: &Transaction<'_>,
    kind: &str,
    id: &str,
    name: &str,
) -> rusqlite::Result<bool> {
    let updated = transaction
        .prepare_cached("UPDATE records SET name = ?3 WHERE kind = ?1 AND id = ?2")?
        .execute(params![kind, id, name])?;
    Ok(updated == 1)
}

pub(crate) fn delete(
    transaction: &Transaction<'_>,
    kind: &str,
    id: &str,
) -> rusqlite::Result<bool> {
    let deleted = transaction
        .prepare_cached("DELETE FROM records WHERE kind = ?1 AND id = ?2")?
        .execute(params![kind, id])?;
    Ok(deleted == 1)
}

pub(crate) fn get(
    connection: &Connection,
    kind: &str,
    id: &str,
) -> rusqlite::Result<Option<Record>> {
    connection
        .prepare_cached("SELECT id, name, json FROM records WHERE kind = ?1 AND id = ?2")?
        .query_row(params![kind, id], record)
        .optional()
}

pub(crate) fn list(connection: &Connection, kind: &str) -> rusqlite::Result<Vec<Record>> {
    connection
        .prepare_cached("SELECT id, name, json FROM records WHERE kind = ?1 ORDER BY id")?
        .query_map(params![kind], record)?
        .collect()
}

/// Every record with its kind.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<(String, Record)>> {
    connection
        .prepare("SELECT id, name, json, kind FROM records ORDER BY kind, id")?
        .query_map([], |row| Ok((row.get(3)?, record(row)?)))?
        .collect()
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record { id: row.get(0)?, name: row.get(1)?, json: row.get(2)? })
}
