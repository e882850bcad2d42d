//! Rows of containers' snapshots and of the layers that they keep.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::digest::Digest;

pub(crate) fn insert(
    transaction: &Transaction<'_>,
    container_id: &str,
    image_id: &Digest,
    chain: &[Digest],
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO snapshots (container_id, image_id) VALUES (?1, ?2)")?
        .execute(params![container_id, image_id])?;
    let mut layer = transaction.prepare_cached(
        "INSERT INTO snapshot_layers (container_id, position, chain_id) VALUES (?1, ?2, ?3)",
    )?;
    for (position, chain_id) in (0_i64..).zip(chain) {
        layer.execute(params![container_id, position, chain_id])?;
    }
    Ok(())
}

/// The layers of a snapshot, lowest first; None if there is no such snapshot.
pub(crate) fn chain(
    connection: &Connection,
    container_id: &str,
) -> rusqlite::Result<Option<Vec<Digest>>> {
    let found = connection
        .prepare_cached("SELECT 1 FROM snapshots WHERE container_id = ?1")?
        .query_row(params![container_id], |_| Ok(()))
        .optional()?;
    if found.is_none() {
        return Ok(None);
    }
    let chain = connection
        .prepare_cached(
            "SELECT chain_id FROM snapshot_layers WHERE container_id = ?1 ORDER BY position",
        )?
        .query_map(params![container_id], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(chain))
}

pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT container_id FROM snapshots")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Whether there was one.
pub(crate) fn delete(transaction: &Transaction<'_>, container_id: &str) -> rusqlite::Result<bool> {
    let deleted = transaction
        .prepare_cached("DELETE FROM snapshots WHERE container_id = ?1")?
        .execute(params![container_id])?;
    Ok(deleted == 1)
}
