//! What the check of a store says of each kind of damage, what repair makes of it, and that the next
//! pull makes it whole.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use store::check::{CheckError, Checked, Remedy, Subject, check};
use store::{OpenError, Store};

use crate::fixture::{Ground, OCI, Sample, assert_whole, gzip};
use crate::specimen::Specimen;

fn sample() -> Sample {
    let lower = Specimen::default().directory("etc", 0o755).file("etc/file", b"below").finish();
    // `tmp` has no entry of its own: its metadata is the lower layers'.
    let upper = Specimen::default().file("tmp/y", b"y").file("etc/.wh.file", b"").finish();
    Sample::of_tars(OCI, vec![lower, upper])
}

/// A closed store with one image, hurt by `damage`, which gets its root and the sample.
fn hurt(damage: impl FnOnce(&Path, &Sample)) -> (tempfile::TempDir, Sample) {
    let (ground, sample) = (Ground::new(), sample());
    sample.pull(&ground.store, "busybox");
    let directory = ground.close();
    damage(&directory.path().join("root"), &sample);
    (directory, sample)
}

fn checked(directory: &tempfile::TempDir, repair: bool) -> Checked {
    check(&directory.path().join("root"), repair).expect("check")
}

/// The single finding's subject and text.
fn only(checked: &Checked) -> (Subject, String) {
    assert_eq!(checked.findings.len(), 1, "{:?}", checked.findings);
    (checked.findings[0].subject.clone(), checked.findings[0].problem.clone())
}

/// The damage is told and left; repaired with this remedy; after a pull nothing is told.
fn goes_through(directory: &tempfile::TempDir, sample: &Sample, subject: &Subject, remedy: Remedy) {
    let before = checked(directory, false);
    assert!(!before.is_sound());
    assert!(before.findings.iter().any(|found| found.subject == *subject), "{before:?}");
    assert_eq!(checked(directory, false), before, "looking changes nothing");
    let repaired = checked(directory, true);
    assert!(repaired.is_sound(), "{repaired:?}");
    let found = repaired.findings.iter().find(|found| found.subject == *subject);
    assert_eq!(found.expect("told again").remedy, remedy, "{repaired:?}");
    if remedy == Remedy::Dropped {
        assert_eq!(
            repaired.to_pull.iter().collect::<Vec<_>>(),
            ["docker.io/library/busybox:latest"]
        );
    } else {
        assert!(repaired.to_pull.is_empty());
    }
    let store = Store::open(&directory.path().join("root")).expect("open");
    assert_eq!(store.images().resolve("busybox").is_err(), remedy == Remedy::Dropped);
    sample.pull(&store, "busybox");
    assert_whole(&store);
    drop(store);
    assert_eq!(checked(directory, false).findings, []);
}

#[test]
fn a_sound_store_is_told_to_be_sound() {
    let (directory, _) = hurt(|_, _| ());
    let checked = checked(&directory, false);
    assert_eq!(checked.findings, []);
    assert!(checked.is_sound() && checked.to_pull.is_empty());
    assert_eq!((checked.images, checked.layers, checked.blobs), (1, 2, 4));
    assert!(checked.bytes > 0);
    let left = fs::read_dir(directory.path().join("root/ingest")).expect("ingest").count();
    assert_eq!(left, 0);
}

#[test]
fn other_bytes_and_missing_ones_are_found() {
    let blob = |sample: &Sample| store::Digest::of(&gzip(&sample.tars()[1]));
    for damage in ["flip", "cut", "remove"] {
        let (directory, sample) = hurt(|root, sample| {
            let path = root.join("blobs/sha256").join(blob(sample).hex());
            let mut bytes = fs::read(&path).expect("blob");
            match damage {
                "flip" => bytes[20] ^= 1,
                "cut" => bytes.truncate(10),
                _ => return fs::remove_file(path).expect("remove"),
            }
            fs::write(path, bytes).expect("write");
        });
        let (subject, problem) = only(&checked(&directory, false));
        assert_eq!(subject, Subject::Blob(blob(&sample)), "{problem}");
        goes_through(&directory, &sample, &subject, Remedy::Dropped);
    }
}

#[test]
fn every_change_of_an_unpacked_layer_is_found_and_mended() {
    type Change = (&'static str, fn(&Path));
    let changes: &[Change] = &[
        ("\"etc/file\": has other bytes", |diff| {
            let path = diff.join("etc/file");
            let time = fs::metadata(&path).and_then(|old| old.modified()).expect("time");
            fs::write(&path, b"BELOW").expect("write");
            fs::File::options()
                .write(true)
                .open(&path)
                .and_then(|f| f.set_modified(time))
                .expect("t");
        }),
        ("\"etc/file\": has another mode", |diff| {
            fs::set_permissions(diff.join("etc/file"), Permissions::from_mode(0o4755))
                .expect("mode");
        }),
        ("\"etc/file\": has another owner", |diff| {
            std::os::unix::fs::chown(diff.join("etc/file"), Some(1), None).expect("chown");
        }),
        ("\"etc/file\": has another time", |diff| {
            let file = fs::File::options().write(true).open(diff.join("etc/file")).expect("open");
            file.set_modified(std::time::SystemTime::now()).expect("time");
        }),
        ("\"etc/file\": is missing", |diff| fs::remove_file(diff.join("etc/file")).expect("rm")),
        ("\"etc/more\": is too much", |diff| fs::write(diff.join("etc/more"), b"").expect("write")),
        ("\"etc/file\": is of another kind", |diff| {
            fs::remove_file(diff.join("etc/file")).expect("rm");
            symlink("/etc/passwd", diff.join("etc/file")).expect("symlink");
        }),
        ("is missing", |diff| fs::remove_dir_all(diff.parent().expect("layer")).expect("rm")),
        ("what is known of it is missing", |diff| {
            fs::remove_file(diff.with_file_name("layer.json")).expect("rm");
        }),
    ];
    for (told, change) in changes {
        let (directory, sample) = hurt(|root, sample| {
            change(&root.join("layers").join(sample.chain()[0].hex()).join("diff"));
        });
        let found = checked(&directory, false);
        let (subject, problem) = only(&found);
        assert_eq!(
            (&subject, problem.as_str()),
            (&Subject::Layer(sample.chain()[0].clone()), *told)
        );
        goes_through(&directory, &sample, &subject, Remedy::Mended);
    }
}

#[test]
fn a_layer_without_its_blob_is_dropped() {
    let (directory, sample) = hurt(|root, sample| {
        let blob = store::Digest::of(&gzip(&sample.tars()[0]));
        fs::remove_file(root.join("blobs/sha256").join(blob.hex())).expect("remove");
        fs::remove_dir_all(root.join("layers").join(sample.chain()[0].hex())).expect("remove");
    });
    assert_eq!(checked(&directory, false).findings.len(), 2);
    let layer = Subject::Layer(sample.chain()[0].clone());
    goes_through(&directory, &sample, &layer, Remedy::Dropped);
}

#[test]
fn rows_that_can_not_be_right_are_dropped() {
    for change in [
        "DELETE FROM image_blobs WHERE digest = (SELECT manifest FROM images)",
        "DELETE FROM image_layers WHERE position = 1",
        "UPDATE images SET manifest_size = 7",
    ] {
        let (directory, sample) = hurt(|root, _| {
            let db = rusqlite::Connection::open(root.join("jocker.db")).expect("database");
            assert_eq!(db.execute(change, []).expect("change"), 1);
        });
        let found = checked(&directory, false);
        let image = found.findings.iter().find(|found| matches!(found.subject, Subject::Image(_)));
        let subject = image.unwrap_or_else(|| panic!("{change}: {found:?}")).subject.clone();
        goes_through(&directory, &sample, &subject, Remedy::Dropped);
    }
}

#[test]
fn the_rest_is_looked_at_too() {
    let (directory, sample) = hurt(|root, _| {
        fs::write(root.join("index.json"), "{}").expect("write");
    });
    goes_through(&directory, &sample, &Subject::Layout("index.json"), Remedy::Mended);

    let ground = Ground::new();
    let id = sample.pull(&ground.store, "busybox");
    let image = ground.store.images().get(&id).expect("get").expect("image");
    ground.store.snapshots().prepare("c1", &image, None).expect("prepare");
    ground.store.records().insert("container", "c1", None, "{}").expect("record");
    let directory = ground.close();
    let root = directory.path().join("root");
    assert_eq!(checked(&directory, false).findings, []);
    let db = rusqlite::Connection::open(root.join("jocker.db")).expect("database");
    db.execute("UPDATE records SET json = '{'", []).expect("change");
    drop(db);
    fs::remove_dir_all(root.join("containers/c1")).expect("remove");
    let found = checked(&directory, true);
    let subjects: Vec<_> =
        found.findings.iter().map(|found| (&found.subject, found.remedy)).collect();
    let container = Subject::Container("c1".to_owned());
    let record = Subject::Record("container".to_owned(), "c1".to_owned());
    assert_eq!(subjects, [(&container, Remedy::Dropped), (&record, Remedy::Impossible)]);
    assert!(!found.is_sound());
    assert_eq!(checked(&directory, false).findings.len(), 1, "the record is left");
}

#[test]
fn what_is_in_use_or_no_store_is_refused() {
    let ground = Ground::new();
    let error = check(ground.store.root(), false).expect_err("locked");
    assert!(matches!(error, CheckError::Open(OpenError::Locked(_))), "{error}");
    let empty = tempfile::tempdir().expect("directory");
    let error = check(empty.path(), true).expect_err("no store");
    assert!(matches!(error, CheckError::NoStore(_)), "{error}");
    assert_eq!(fs::read_dir(empty.path()).expect("list").count(), 0, "nothing is made there");
}
