//! Rows of images, of their names, and of the layers and blobs that they keep.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::digest::Digest;
use crate::image::{ImageId, Manifest};
use crate::lease::Candidates;

/// An image as its rows say.
#[derive(Debug)]
pub(crate) struct ImageRow {
    pub(crate) id: ImageId,
    pub(crate) manifest: Manifest,
    /// The OCI form of the manifest.
    pub(crate) layout: Digest,
    pub(crate) layout_size: u64,
    /// Repository and tag.
    pub(crate) tags: Vec<(String, String)>,
    /// Repository and digest.
    pub(crate) digests: Vec<(String, Digest)>,
    /// Lowest first.
    pub(crate) chain: Vec<Digest>,
    pub(crate) size: u64,
    /// The image that it was made of.
    pub(crate) parent: Option<ImageId>,
}

/// An image to write.
#[derive(Debug)]
pub(crate) struct NewRow<'a> {
    pub(crate) id: &'a ImageId,
    pub(crate) manifest: &'a Manifest,
    pub(crate) layout: &'a Digest,
    pub(crate) layout_size: u64,
    pub(crate) blobs: &'a BTreeSet<Digest>,
    /// Chain id, diff id and size in bytes, lowest first.
    pub(crate) layers: &'a [(Digest, Digest, u64)],
    pub(crate) tag: Option<(&'a str, &'a str)>,
    pub(crate) digest: Option<(&'a str, &'a Digest)>,
    pub(crate) parent: Option<&'a ImageId>,
}

/// Writes an image; one that is here keeps its other names and blobs, and its parent.
pub(crate) fn put(db: &Transaction<'_>, new: &NewRow<'_>) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO images (id, manifest, manifest_media_type, manifest_size, layout, layout_size,
             parent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET manifest = excluded.manifest,
             manifest_media_type = excluded.manifest_media_type,
             manifest_size = excluded.manifest_size,
             layout = excluded.layout, layout_size = excluded.layout_size,
             parent = coalesce(parent, excluded.parent)",
        params![
            new.id,
            new.manifest.digest,
            new.manifest.media_type,
            new.manifest.size.cast_signed(),
            new.layout,
            new.layout_size.cast_signed(),
            new.parent
        ],
    )?;
    for digest in new.blobs {
        db.prepare_cached("INSERT OR IGNORE INTO image_blobs (image_id, digest) VALUES (?1, ?2)")?
            .execute(params![new.id, digest])?;
    }
    for (position, (chain_id, diff_id, size)) in (0_i64..).zip(new.layers) {
        db.prepare_cached(
            "INSERT OR IGNORE INTO layers (chain_id, diff_id, size) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![chain_id, diff_id, size.cast_signed()])?;
        db.prepare_cached(
            "INSERT OR IGNORE INTO image_layers (image_id, position, chain_id)
             VALUES (?1, ?2, ?3)",
        )?
        .execute(params![new.id, position, chain_id])?;
    }
    if let Some((repository, tag)) = new.tag {
        put_tag(db, new.id, repository, tag)?;
    }
    if let Some((repository, digest)) = new.digest {
        put_digest(db, new.id, repository, digest)?;
    }
    Ok(())
}

pub(crate) fn put_digest(
    db: &Transaction<'_>,
    id: &ImageId,
    repository: &str,
    digest: &Digest,
) -> rusqlite::Result<()> {
    db.execute(
        "INSERT OR REPLACE INTO image_digests (repository, digest, image_id) VALUES (?1, ?2, ?3)",
        params![repository, digest, id],
    )?;
    Ok(())
}

pub(crate) fn put_tag(
    db: &Transaction<'_>,
    id: &ImageId,
    repository: &str,
    tag: &str,
) -> rusqlite::Result<()> {
    db.execute(
        "INSERT OR REPLACE INTO image_tags (repository, tag, image_id) VALUES (?1, ?2, ?3)",
        params![repository, tag, id],
    )?;
    Ok(())
}

pub(crate) fn exists(db: &Connection, id: &ImageId) -> rusqlite::Result<bool> {
    let found =
        db.query_row("SELECT 1 FROM images WHERE id = ?1", params![id], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

/// Removes a tag, and the repository's digests if it was the last there; the image's id and these
/// digests, or None if there is no such tag.
pub(crate) fn delete_tag(
    db: &Transaction<'_>,
    repository: &str,
    tag: &str,
) -> rusqlite::Result<Option<(ImageId, Vec<Digest>)>> {
    let id: Option<Digest> = db
        .query_row(
            "DELETE FROM image_tags WHERE repository = ?1 AND tag = ?2 RETURNING image_id",
            params![repository, tag],
            |row| row.get(0),
        )
        .optional()?;
    let Some(id) = id else { return Ok(None) };
    let digests = db
        .prepare(
            "DELETE FROM image_digests WHERE repository = ?1 AND image_id = ?2 AND NOT EXISTS
                 (SELECT 1 FROM image_tags t WHERE t.repository = ?1 AND t.image_id = ?2)
             RETURNING digest",
        )?
        .query_map(params![repository, id], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some((id, digests)))
}

/// Removes a digest that a registry knows an image by; the image's id, or None.
pub(crate) fn delete_digest(
    db: &Transaction<'_>,
    repository: &str,
    digest: &Digest,
) -> rusqlite::Result<Option<ImageId>> {
    db.query_row(
        "DELETE FROM image_digests WHERE repository = ?1 AND digest = ?2 RETURNING image_id",
        params![repository, digest],
        |row| row.get(0),
    )
    .optional()
}

/// How many tags and digests an image has.
pub(crate) fn name_count(db: &Connection, id: &ImageId) -> rusqlite::Result<u32> {
    db.query_row(
        "SELECT (SELECT count(*) FROM image_tags WHERE image_id = ?1)
              + (SELECT count(*) FROM image_digests WHERE image_id = ?1)",
        params![id],
        |row| row.get(0),
    )
}

/// Removes an image with its names; what may be free now, or None if there is no such image.
pub(crate) fn delete(db: &Transaction<'_>, id: &ImageId) -> rusqlite::Result<Option<Candidates>> {
    let one = |sql: &str| -> rusqlite::Result<BTreeSet<Digest>> {
        db.prepare(sql)?.query_map(params![id], |row| row.get(0))?.collect()
    };
    let candidates = Candidates {
        blobs: one("SELECT digest FROM image_blobs WHERE image_id = ?1")?,
        layers: one("SELECT chain_id FROM image_layers WHERE image_id = ?1")?,
    };
    let deleted = db.execute("DELETE FROM images WHERE id = ?1", params![id])?;
    Ok((deleted == 1).then_some(candidates))
}

/// Whether a layer of these bytes is unpacked, upon whatever others.
pub(crate) fn has_diff(db: &Connection, diff_id: &Digest) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM layers WHERE diff_id = ?1")?.exists(params![diff_id])
}

pub(crate) fn has_layer(db: &Connection, chain_id: &Digest) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM layers WHERE chain_id = ?1")?.exists(params![chain_id])
}

/// Bytes of each layer's files.
pub(crate) fn layer_sizes(db: &Connection) -> rusqlite::Result<HashMap<Digest, u64>> {
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()));
    db.prepare_cached("SELECT chain_id, size FROM layers")?.query_map([], row)?.collect()
}

/// Those candidates that no image and no snapshot uses.
pub(crate) fn unused(db: &Connection, candidates: &Candidates) -> rusqlite::Result<Candidates> {
    let mut blob = db.prepare_cached("SELECT 1 FROM image_blobs WHERE digest = ?1")?;
    let mut layer = db.prepare_cached(
        "SELECT 1 FROM image_layers WHERE chain_id = ?1
         UNION ALL SELECT 1 FROM snapshot_layers WHERE chain_id = ?1",
    )?;
    let mut unused = Candidates::default();
    for digest in &candidates.blobs {
        if !blob.exists(params![digest])? {
            unused.blobs.insert(digest.clone());
        }
    }
    for chain_id in &candidates.layers {
        if !layer.exists(params![chain_id])? {
            unused.layers.insert(chain_id.clone());
        }
    }
    Ok(unused)
}

/// As [`unused`], and the layers' rows go.
pub(crate) fn forget_unused(
    db: &Transaction<'_>,
    candidates: &Candidates,
) -> rusqlite::Result<Candidates> {
    let unused = unused(db, candidates)?;
    for chain_id in &unused.layers {
        db.execute("DELETE FROM layers WHERE chain_id = ?1", params![chain_id])?;
    }
    Ok(unused)
}

/// Every layer that no image and no snapshot uses.
pub(crate) fn all_candidates(db: &Connection) -> rusqlite::Result<Candidates> {
    let layers = db
        .prepare(
            "SELECT chain_id FROM layers WHERE chain_id NOT IN (SELECT chain_id FROM image_layers)
             AND chain_id NOT IN (SELECT chain_id FROM snapshot_layers)",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Candidates { layers, ..Candidates::default() })
}

pub(crate) fn known_blobs(db: &Connection) -> rusqlite::Result<BTreeSet<Digest>> {
    db.prepare("SELECT DISTINCT digest FROM image_blobs")?
        .query_map([], |row| row.get(0))?
        .collect()
}

pub(crate) fn known_layers(db: &Connection) -> rusqlite::Result<BTreeSet<Digest>> {
    db.prepare("SELECT chain_id FROM layers")?.query_map([], |row| row.get(0))?.collect()
}

/// The blobs that an image keeps.
pub(crate) fn blobs_of(db: &Connection, id: &ImageId) -> rusqlite::Result<BTreeSet<Digest>> {
    db.prepare_cached("SELECT digest FROM image_blobs WHERE image_id = ?1")?
        .query_map(params![id], |row| row.get(0))?
        .collect()
}

/// An image keeps these blobs no longer.
pub(crate) fn forget_blobs(
    db: &Transaction<'_>,
    id: &ImageId,
    blobs: &BTreeSet<Digest>,
) -> rusqlite::Result<()> {
    for digest in blobs {
        db.prepare_cached("DELETE FROM image_blobs WHERE image_id = ?1 AND digest = ?2")?
            .execute(params![id, digest])?;
    }
    Ok(())
}

/// Chain id, diff id and size in bytes of every layer.
pub(crate) fn layer_rows(db: &Connection) -> rusqlite::Result<Vec<(Digest, Digest, u64)>> {
    db.prepare("SELECT chain_id, diff_id, size FROM layers")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned())))?
        .collect()
}

/// All images, by id.
pub(crate) fn all(db: &Connection) -> rusqlite::Result<Vec<ImageRow>> {
    let mut images: BTreeMap<Digest, ImageRow> = db
        .prepare(
            "SELECT id, manifest, manifest_media_type, manifest_size, layout, layout_size, parent
             FROM images",
        )?
        .query_map([], |row| Ok((row.get(0)?, image_row(row)?)))?
        .collect::<rusqlite::Result<_>>()?;
    each(db, "SELECT image_id, repository, tag FROM image_tags", |id, row| {
        if let Some(image) = images.get_mut(&id) {
            image.tags.push((row.get(1)?, row.get(2)?));
        }
        Ok(())
    })?;
    each(db, "SELECT image_id, repository, digest FROM image_digests", |id, row| {
        if let Some(image) = images.get_mut(&id) {
            image.digests.push((row.get(1)?, row.get(2)?));
        }
        Ok(())
    })?;
    let layers = "SELECT image_id, chain_id, size FROM image_layers JOIN layers USING (chain_id)
                  ORDER BY image_id, position";
    each(db, layers, |id, row| {
        if let Some(image) = images.get_mut(&id) {
            image.chain.push(row.get(1)?);
            image.size = image.size.saturating_add(row.get::<_, i64>(2)?.cast_unsigned());
        }
        Ok(())
    })?;
    Ok(images.into_values().collect())
}

fn image_row(row: &Row<'_>) -> rusqlite::Result<ImageRow> {
    Ok(ImageRow {
        id: row.get(0)?,
        manifest: Manifest {
            digest: row.get(1)?,
            media_type: row.get(2)?,
            size: row.get::<_, i64>(3)?.cast_unsigned(),
        },
        layout: row.get(4)?,
        layout_size: row.get::<_, i64>(5)?.cast_unsigned(),
        parent: row.get(6)?,
        tags: Vec::new(),
        digests: Vec::new(),
        chain: Vec::new(),
        size: 0,
    })
}

fn each(
    db: &Connection,
    sql: &str,
    mut take: impl FnMut(Digest, &Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(row.get(0)?, row)?;
    }
    Ok(())
}
