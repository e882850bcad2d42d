//! The schema, one step a release. A step that has shipped is never changed.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use super::DbError;

/// Digests are texts `sha256:<hex>`; sizes are bytes.
const IMAGES_SNAPSHOTS_RECORDS: &str = "
CREATE TABLE images (
    id                  TEXT PRIMARY KEY,   -- digest of the config
    manifest            TEXT NOT NULL,      -- the platform's manifest, as the registry sent it
    manifest_media_type TEXT NOT NULL,
    manifest_size       INTEGER NOT NULL,
    layout              TEXT NOT NULL,      -- the OCI form of it that index.json names
    layout_size         INTEGER NOT NULL
) WITHOUT ROWID;

-- Everything under blobs/ that an image needs.
CREATE TABLE image_blobs (
    image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    digest   TEXT NOT NULL,
    PRIMARY KEY (image_id, digest)
) WITHOUT ROWID;
CREATE INDEX image_blobs_by_digest ON image_blobs(digest);

CREATE TABLE layers (
    chain_id TEXT PRIMARY KEY,              -- names the directory under layers/
    diff_id  TEXT NOT NULL,
    size     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE image_layers (
    image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,              -- 0 is the lowest
    chain_id TEXT NOT NULL REFERENCES layers(chain_id),
    PRIMARY KEY (image_id, position)
) WITHOUT ROWID;
CREATE INDEX image_layers_by_chain ON image_layers(chain_id);

CREATE TABLE image_tags (
    repository TEXT NOT NULL,               -- docker.io/library/busybox
    tag        TEXT NOT NULL,
    image_id   TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    PRIMARY KEY (repository, tag)
) WITHOUT ROWID;
CREATE INDEX image_tags_by_image ON image_tags(image_id);

CREATE TABLE image_digests (
    repository TEXT NOT NULL,
    digest     TEXT NOT NULL,               -- what the registry knows it by
    image_id   TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest)
) WITHOUT ROWID;
CREATE INDEX image_digests_by_image ON image_digests(image_id);

CREATE TABLE snapshots (
    container_id TEXT PRIMARY KEY,
    image_id     TEXT NOT NULL              -- may be removed while the container lives
) WITHOUT ROWID;

CREATE TABLE snapshot_layers (
    container_id TEXT NOT NULL REFERENCES snapshots(container_id) ON DELETE CASCADE,
    position     INTEGER NOT NULL,
    chain_id     TEXT NOT NULL REFERENCES layers(chain_id),
    PRIMARY KEY (container_id, position)
) WITHOUT ROWID;
CREATE INDEX snapshot_layers_by_chain ON snapshot_layers(chain_id);

CREATE TABLE records (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    name TEXT,
    json TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX records_by_name ON records(kind, name) WHERE name IS NOT NULL;
";

/// What an image was made of here: no row needs to have that id.
const PARENTS: &str = "
ALTER TABLE images ADD COLUMN parent TEXT;
";

/// Documents of some thousand bytes fit into a page of a table with row ids; in one without, each had a page of its
/// own, and a change of it wrote four.
const RECORDS_WITH_ROW_IDS: &str = "
CREATE TABLE documents (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    name TEXT,
    json TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
INSERT INTO documents SELECT kind, id, name, json FROM records;
DROP TABLE records;
ALTER TABLE documents RENAME TO records;
CREATE UNIQUE INDEX records_by_name ON records(kind, name) WHERE name IS NOT NULL;
";

const STEPS: &[M<'static>] =
    &[M::up(IMAGES_SNAPSHOTS_RECORDS), M::up(PARENTS), M::up(RECORDS_WITH_ROW_IDS)];

/// Brings the database to the newest version, in one transaction; one that is newer than this
/// program is left alone.
pub(super) fn run(connection: &mut Connection) -> Result<(), DbError> {
    let found: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?
        .try_into()
        .unwrap_or_default();
    if found > STEPS.len() {
        return Err(DbError::TooNew { found, known: STEPS.len() });
    }
    Ok(Migrations::from_slice(STEPS).to_latest(connection)?)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::Db;
    use super::*;

    #[test]
    fn every_step_is_sound() {
        Migrations::from_slice(STEPS).validate().expect("valid migrations");
    }

    #[test]
    fn older_databases_are_brought_up_to_date() {
        for version in 1..STEPS.len() {
            let root = TempDir::new().expect("directory");
            let mut old = Connection::open(root.path().join("jocker.db")).expect("database");
            Migrations::from_slice(&STEPS[..version]).to_latest(&mut old).expect("old schema");
            let columns = "id, manifest, manifest_media_type, manifest_size, layout, layout_size";
            old.execute_batch(&format!(
                "INSERT INTO images ({columns}) VALUES ('a', 'b', 'c', 1, 'd', 2);
                 INSERT INTO records VALUES ('k', 'i', 'n', '{{}}')"
            ))
            .expect("rows");
            drop(old);
            let db = Db::open(root.path()).expect("open");
            let holder = db.read(|db| super::super::records::holder(db, "k", "n")).expect("record");
            assert_eq!(holder.as_deref(), Some("i"), "version {version}");
            let row = |db: &Connection| {
                db.query_row("SELECT manifest, parent FROM images", [], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
                })
            };
            assert_eq!(db.read(row).expect("row"), ("b".to_owned(), None), "version {version}");
        }
    }

    /// What a death leaves of a migration is some beginning of the log that it writes: every one of
    /// them, and each with half a frame more, is taken up again.
    #[test]
    fn a_migration_that_died_at_any_write_is_done_again() {
        const HEADER: usize = 32;
        const FRAME: usize = 24 + 4096;
        for version in 0..STEPS.len() {
            let root = TempDir::new().expect("directory");
            let path = root.path().join("jocker.db");
            let mut old = Connection::open(&path).expect("database");
            if version > 0 {
                Migrations::from_slice(&STEPS[..version]).to_latest(&mut old).expect("old schema");
                let columns =
                    "id, manifest, manifest_media_type, manifest_size, layout, layout_size";
                let row =
                    format!("INSERT INTO images ({columns}) VALUES ('a', 'b', 'c', 1, 'd', 2)");
                old.execute(&row, []).expect("row");
            }
            drop(old);
            let mut dying = super::super::connect(&path).expect("connect");
            let before = std::fs::read(&path).expect("database");
            run(&mut dying).expect("migrate");
            let log = std::fs::read(path.with_extension("db-wal")).expect("log");
            let frames = (log.len() - HEADER) / FRAME;
            assert!(frames > 0, "version {version} writes nothing");
            let ends =
                (0..=frames).flat_map(|frame| [0, FRAME / 2].map(|more| frame * FRAME + more));
            for end in ends.map(|end| log.len().min(HEADER + end)).chain([0, HEADER / 2]) {
                let left = TempDir::new().expect("directory");
                let path = left.path().join("jocker.db");
                std::fs::write(&path, &before).expect("database");
                std::fs::write(path.with_extension("db-wal"), &log[..end]).expect("log");
                let db = Db::open(left.path()).expect("open");
                let found = db.read(|db| {
                    let count =
                        db.query_row("SELECT count(parent) + count(*) FROM images", [], |row| {
                            row.get::<_, i64>(0)
                        });
                    Ok((count?, super::super::problems(db)?))
                });
                let what = format!("version {version}, {end} bytes of the log");
                assert_eq!(found.expect("rows"), (i64::from(version > 0), Vec::new()), "{what}");
            }
        }
    }

    #[test]
    fn newer_databases_are_refused_and_left_as_they_are() {
        let root = TempDir::new().expect("directory");
        let path = root.path().join("jocker.db");
        drop(Db::open(root.path()).expect("open"));
        let newer = Connection::open(&path).expect("database");
        newer.pragma_update(None, "user_version", 1000).expect("version");
        drop(newer);
        let error = Db::open(root.path()).expect_err("refused");
        assert!(matches!(error, DbError::TooNew { found: 1000, .. }), "{error}");
        assert!(error.to_string().contains("a newer program wrote it"), "{error}");
        let version = Connection::open(&path)
            .and_then(|db| db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)));
        assert_eq!(version.expect("version"), 1000);
    }
}
