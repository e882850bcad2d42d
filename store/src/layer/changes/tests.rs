//! Uppers and lowers made by hand. Needs root.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rustix::fs::{XattrFlags, lsetxattr, mknodat};

use super::*;

struct Ground(tempfile::TempDir);

impl Ground {
    fn new() -> Self {
        let ground = Self(tempfile::tempdir().unwrap());
        for name in ["upper", "top/d", "bottom/d", "bottom/gone", "bottom/e/f"] {
            fs::create_dir_all(ground.path(name)).unwrap();
        }
        for name in ["top/d/both", "bottom/d/both", "bottom/d/low", "bottom/gone/x"] {
            fs::write(ground.path(name), name).unwrap();
        }
        ground.whiteout("top/gone");
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn whiteout(&self, name: &str) {
        let kind = FileType::CharacterDevice;
        mknodat(CWD, self.path(name), kind, Mode::empty(), 0).unwrap();
    }

    fn changes(&self) -> Vec<String> {
        let snapshot = Snapshot {
            dir: self.path(""),
            lower: vec![self.path("top"), self.path("bottom")],
            upper: self.path("upper"),
            work: self.path("work"),
            log: self.path("log"),
        };
        let letter = |difference| match difference {
            Difference::Modified => 'C',
            Difference::Added => 'A',
            Difference::Deleted => 'D',
        };
        let shown = |change: Change| {
            format!("{} {}", letter(change.difference), String::from_utf8(change.path).unwrap())
        };
        snapshot.changes(&[]).unwrap().into_iter().map(shown).collect()
    }
}

#[test]
fn nothing_changed_is_nothing() {
    let ground = Ground::new();
    assert_eq!(ground.changes(), [""; 0]);
    // Copied up and not changed.
    fs::create_dir_all(ground.path("upper/d")).unwrap();
    assert_eq!(ground.changes(), [""; 0]);
}

#[test]
fn all_kinds_in_order() {
    let ground = Ground::new();
    fs::create_dir_all(ground.path("upper/d/new")).unwrap();
    fs::write(ground.path("upper/d/new/file"), "").unwrap();
    fs::write(ground.path("upper/d/both"), "other and longer").unwrap();
    ground.whiteout("upper/d/low");
    ground.whiteout("upper/never");
    fs::create_dir(ground.path("upper/gone")).unwrap();
    fs::create_dir(ground.path("upper/e")).unwrap();
    fs::set_permissions(ground.path("upper/e"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(
        ground.changes(),
        ["C /d", "C /d/both", "D /d/low", "A /d/new", "A /d/new/file", "C /e", "A /gone"]
    );
}

#[test]
fn an_opaque_directory_hides_what_was_there() {
    let ground = Ground::new();
    fs::create_dir(ground.path("upper/d")).unwrap();
    fs::write(ground.path("upper/d/mine"), "").unwrap();
    lsetxattr(ground.path("upper/d"), "trusted.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
    assert_eq!(ground.changes(), ["C /d", "D /d/both", "D /d/low", "A /d/mine"]);
}

#[test]
fn a_file_counts_once() {
    let ground = Ground::new();
    fs::write(ground.path("upper/one"), "12345").unwrap();
    fs::hard_link(ground.path("upper/one"), ground.path("upper/two")).unwrap();
    assert_eq!(tree_size(&ground.path("upper")), 5);
}
