//! What becomes of archives, hostile ones above all. Needs root: owners, devices and trusted
//! attributes are made.

use std::fs::{self, File, Metadata as Stat};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{lgetxattr, makedev};

use super::*;
use crate::layer::specimen::Specimen;

struct Ground {
    base: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let base = tempfile::tempdir().expect("tempdir");
        for name in ["diff", "discard"] {
            fs::create_dir(base.path().join(name)).expect("mkdir");
        }
        fs::write(base.path().join("victim"), "safe").expect("write");
        Self { base }
    }

    fn apply_with(&self, archive: Specimen, limits: &Limits) -> Result<Applied, ApplyError> {
        let open = |name| OwnedFd::from(File::open(self.base.path().join(name)).expect("open"));
        let ahead = Ahead::new(self.base.path());
        apply(&mut &archive.finish()[..], open("diff"), open("discard"), limits, &ahead)
    }

    fn apply(&self, archive: Specimen) -> Result<Applied, ApplyError> {
        self.apply_with(archive, &Limits::default())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join("diff").join(name)
    }

    fn stat(&self, name: &str) -> Stat {
        fs::symlink_metadata(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn exists(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("read")
    }

    fn xattr(&self, name: &str, key: &str) -> Option<Vec<u8>> {
        let mut value = vec![0; 256];
        let length = lgetxattr(self.path(name), key, &mut value[..]).ok()?;
        value.truncate(length);
        Some(value)
    }

    fn is_opaque(&self, name: &str) -> bool {
        self.xattr(name, "trusted.overlay.opaque").as_deref() == Some(b"y")
    }

    fn is_whiteout(&self, name: &str) -> bool {
        let stat = self.stat(name);
        stat.file_type().is_char_device() && stat.rdev() == 0
    }

    /// Nothing outside the root was touched.
    fn assert_unharmed(&self) {
        assert_eq!(fs::read_to_string(self.base.path().join("victim")).expect("read"), "safe");
        let mut names: Vec<_> = fs::read_dir(self.base.path())
            .expect("readdir")
            .map(|entry| entry.expect("entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["diff", "discard", "victim"]);
    }
}

fn entry_error(result: Result<Applied, ApplyError>) -> EntryError {
    match result {
        Err(ApplyError::Entry { source, .. }) => source,
        other => panic!("no entry error: {other:?}"),
    }
}

#[test]
fn metadata_is_kept() {
    let ground = Ground::new();
    // A version 2 capability set: cap_net_raw, permitted and effective; it holds a line feed's
    // worth of binary zeros.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let archive = Specimen::default()
        .header(b'5', b"./", |header| header.set_mode(0o711))
        .pax(b'x', &[("mtime", b"1700000000.000000042"), ("uid", b"3000000000")])
        .directory("dir", 0o2750)
        .pax(
            b'x',
            &[
                ("mtime", b"1600000000.123456789"),
                ("uid", b"2097152"),
                ("gid", b"4000000000"),
                ("SCHILY.xattr.security.capability", &capability),
                ("SCHILY.xattr.user.note", b"line\nfeed"),
                ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
                ("SCHILY.xattr.user.overlay.opaque", b"y"),
            ],
        )
        .entry(b'0', b"dir/tool", b"#!", |header| header.set_mode(0o6755))
        .symlink("dir/link", "/nowhere")
        .hardlink("dir/other", "dir/tool");
    let applied = ground.apply(archive).expect("applied");
    assert_eq!(applied.bytes, 10, "two of the file, eight of the link's target");
    assert_eq!(ground.stat("").mode() & 0o7777, 0o711);
    let dir = ground.stat("dir");
    assert_eq!((dir.uid(), dir.gid(), dir.mode() & 0o7777), (3_000_000_000, 0, 0o2750));
    assert_eq!((dir.mtime(), dir.mtime_nsec()), (1_700_000_000, 42));
    let tool = ground.stat("dir/tool");
    assert_eq!((tool.uid(), tool.gid(), tool.mode() & 0o7777), (2_097_152, 4_000_000_000, 0o6755));
    assert_eq!((tool.mtime(), tool.mtime_nsec()), (1_600_000_000, 123_456_789));
    assert_eq!(ground.xattr("dir/tool", "security.capability").as_deref(), Some(&capability[..]));
    assert_eq!(ground.xattr("dir/tool", "user.note").as_deref(), Some(&b"line\nfeed"[..]));
    assert_eq!(ground.xattr("dir/tool", "trusted.overlay.redirect"), None);
    assert_eq!(ground.xattr("dir/tool", "user.overlay.opaque"), None);
    assert_eq!(ground.stat("dir/other").ino(), tool.ino());
    assert_eq!(ground.stat("dir/link").mtime(), 1_000_000_000);
}

#[test]
fn missing_parents_are_roots_whatever_their_parent_is() {
    let ground = Ground::new();
    let archive = Specimen::default()
        .header(b'5', b"a", |header| {
            header.set_mode(0o2777);
            header.set_gid(50);
        })
        .file("a/b/c/d", b"x");
    ground.apply(archive).expect("applied");
    let implicit = ground.stat("a/b/c");
    assert_eq!((implicit.uid(), implicit.gid(), implicit.mode() & 0o7777), (0, 0, 0o755));
}

#[test]
fn links_lead_nowhere_but_into_the_root() {
    let ground = Ground::new();
    let outside = ground.base.path().to_str().expect("utf-8").to_owned();
    for target in ["..", "../..", "/", &outside, "/proc/self/root", "/proc/self/cwd/.."] {
        // The parents do not exist inside the root, or lead back into it: never outside.
        let archive = Specimen::default().symlink("exit", target).file("exit/victim", b"owned");
        let _ = ground.apply(archive);
        ground.assert_unharmed();
        let archive = Specimen::default().symlink("exit", target).hardlink("copy", "exit/victim");
        let _ = ground.apply(archive);
        ground.assert_unharmed();
    }
    let file = Specimen::default().symlink("file", &format!("{outside}/victim")).file("file", b"x");
    ground.apply(file).expect("the link itself is replaced");
    assert!(ground.stat("file").is_file());
    ground.assert_unharmed();
    let directory = Specimen::default()
        .symlink("dir", &outside)
        .directory("dir", 0o777)
        .file("dir/victim", b"");
    ground.apply(directory).expect("the link itself is replaced");
    ground.assert_unharmed();
    let chain = Specimen::default()
        .directory("real", 0o755)
        .symlink("one", "/real")
        .symlink("two", "one/../one")
        .file("two/inside", b"in");
    ground.apply(chain).expect("links inside the root work");
    assert_eq!(ground.read("real/inside"), "in");
}

#[test]
fn metadata_never_goes_through_a_link() {
    let ground = Ground::new();
    let victim = ground.base.path().join("victim");
    let before = fs::metadata(&victim).expect("stat");
    let target = victim.to_str().expect("utf-8");
    let archive = Specimen::default()
        .pax(b'x', &[("SCHILY.xattr.user.a", b"1")])
        .header(b'2', b"link", |header| {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
            header.set_mode(0o7777);
            header.set_uid(1234);
        })
        .directory("d", 0o755)
        .symlink("d2", "d")
        .directory("d2/", 0o700);
    ground.apply(archive).expect("applied");
    let after = fs::metadata(&victim).expect("stat");
    assert_eq!(
        (after.mode(), after.uid(), after.ctime_nsec()),
        (before.mode(), before.uid(), before.ctime_nsec())
    );
    assert!(ground.stat("d2").is_dir(), "an entry replaces a link of its name");
}

#[test]
fn paths_out_of_the_root_are_refused() {
    for name in ["../victim", "a/../../victim", "/../victim", "..", "."] {
        let ground = Ground::new();
        assert!(ground.apply(Specimen::default().file(name, b"owned")).is_err(), "{name}");
        ground.assert_unharmed();
    }
    for target in ["../victim", "/../victim", "..", "/", ""] {
        let ground = Ground::new();
        assert!(ground.apply(Specimen::default().hardlink("a", target)).is_err(), "{target}");
        ground.assert_unharmed();
    }
    let ground = Ground::new();
    ground.apply(Specimen::default().file("/etc/passwd", b"mine")).expect("absolute: in the root");
    assert_eq!(ground.read("etc/passwd"), "mine");
    let empty = entry_error(ground.apply(Specimen::default().file("", b"")));
    assert!(matches!(empty, EntryError::Path(PathError::Empty)));
    let zero = Specimen::default().pax(b'x', &[("path", b"a\0b")]).file("a", b"");
    assert!(matches!(entry_error(ground.apply(zero)), EntryError::Path(PathError::Zero)));
    let target = Specimen::default().pax(b'x', &[("linkpath", b"a\0b")]).symlink("l", "a");
    assert!(ground.apply(target).is_err());
}

#[test]
fn whiteouts_take_overlays_form() {
    let ground = Ground::new();
    let archive = Specimen::default()
        .file("dir/.wh.gone", b"")
        .file("dir/.wh..wh..opq", b"")
        .file("dir/.wh..wh..opq", b"")
        .file(".wh..wh.plnk", b"")
        .file("new/sub/.wh.x", b"");
    ground.apply(archive).expect("applied");
    assert!(ground.is_whiteout("dir/gone"));
    assert!(ground.is_opaque("dir"));
    assert!(ground.is_whiteout("new/sub/x"));
    assert!(!ground.exists(".wh..wh.plnk") && !ground.exists("dir/.wh..wh..opq"));
}

#[test]
fn whiteouts_below_what_is_no_directory_say_nothing() {
    let ground = Ground::new();
    let archive = Specimen::default()
        .file("file", b"new")
        .file("file/.wh.er", b"")
        .file("file/deep/.wh.er", b"")
        .file("file/.wh..wh..opq", b"")
        .symlink("link", "/nowhere")
        .file("link/.wh.er", b"")
        .file(".wh.gone", b"")
        .file("gone/.wh.er", b"")
        .file("gone/deep/.wh..wh..opq", b"");
    assert_eq!(ground.apply(archive).expect("applied").implied, []);
    assert_eq!(ground.read("file"), "new");
    assert!(ground.stat("link").is_symlink());
    assert!(ground.is_whiteout("gone"));
    let below = Specimen::default().file("plain", b"").file("plain/entry", b"");
    let error = entry_error(ground.apply(below));
    assert!(matches!(error, EntryError::Call { errno: Errno::NOTDIR, .. }), "entries are wanted");
}

#[test]
fn implied_directories_are_listed_where_they_are() {
    let ground = Ground::new();
    let archive = Specimen::default()
        .file("tmp/x/y", b"")
        .file("given/a", b"")
        .directory("given", 0o700)
        .directory("real", 0o755)
        .symlink("link", "real")
        .file("link/sub/a", b"")
        .file(".wh.fresh", b"")
        .file("fresh/a", b"")
        .file("late/a", b"")
        .file(".wh.late", b"")
        .file("gone/a", b"")
        .file("gone", b"now a file")
        .file("open/.wh..wh..opq", b"")
        .file("only/.wh.out", b"");
    let applied = ground.apply(archive).expect("applied");
    let paths: Vec<_> = applied.implied.iter().map(CleanPath::as_bytes).collect();
    let expected: [&[u8]; 5] = [b"only", b"open", b"real/sub", b"tmp", b"tmp/x"];
    assert_eq!(paths, expected);
}

#[test]
fn whiteouts_and_entries_of_the_same_layer() {
    let ground = Ground::new();
    let archive = Specimen::default()
        .file(".wh.file", b"")
        .file("file", b"new")
        .file("late", b"new")
        .file(".wh.late", b"")
        .file(".wh.dir", b"")
        .directory("dir", 0o755)
        .file("dir/a", b"")
        .file(".wh.bare", b"")
        .file("bare/sub/a", b"")
        .file("later/a", b"kept")
        .file(".wh.later", b"")
        .file("open/a", b"kept")
        .file("open/.wh..wh..opq", b"")
        .file("open/b", b"kept")
        .file("open/.wh..wh..opq", b"");
    ground.apply(archive).expect("applied");
    assert_eq!(ground.read("file"), "new");
    assert_eq!(ground.read("late"), "new");
    assert!(ground.is_opaque("dir") && ground.exists("dir/a"));
    assert!(ground.is_opaque("bare") && !ground.is_opaque("bare/sub"));
    assert!(ground.is_opaque("later"));
    assert_eq!(ground.read("later/a"), "kept");
    assert!(ground.is_opaque("open"));
    assert_eq!(ground.read("open/a") + &ground.read("open/b"), "keptkept");
}

#[test]
fn disguised_and_empty_whiteouts_are_refused() {
    let ground = Ground::new();
    let device = ground.apply(Specimen::default().device(b'3', "passwd", 0, 0));
    assert!(matches!(entry_error(device), EntryError::DisguisedWhiteout));
    let link = Specimen::default().file(".wh.x", b"").hardlink("etc", "x");
    assert!(matches!(entry_error(ground.apply(link)), EntryError::DisguisedWhiteout));
    for name in [".wh.", ".wh..", ".wh...", "a/.wh..."] {
        let error = entry_error(ground.apply(Specimen::default().file(name, b"")));
        assert!(matches!(error, EntryError::Path(PathError::Whiteout)), "{name}");
    }
    ground.assert_unharmed();
}

#[test]
fn devices_and_fifos_are_made_with_their_modes() {
    let ground = Ground::new();
    let archive = Specimen::default()
        .device(b'3', "dev/null", 1, 3)
        .device(b'4', "dev/sda", 8, 0)
        .header(b'6', b"dev/fifo", |header| header.set_mode(0o622));
    ground.apply(archive).expect("applied");
    let null = ground.stat("dev/null");
    assert!(null.file_type().is_char_device());
    assert_eq!((null.rdev(), null.mode() & 0o7777), (makedev(1, 3), 0o644));
    assert!(ground.stat("dev/sda").file_type().is_block_device());
    let fifo = ground.stat("dev/fifo");
    assert!(fifo.file_type().is_fifo());
    assert_eq!(fifo.mode() & 0o7777, 0o622);
}

#[test]
fn later_entries_replace_earlier_ones() {
    let ground = Ground::new();
    let archive = Specimen::default()
        .directory("x", 0o700)
        .file("x/deep/file", b"1")
        .file("x", b"now a file")
        .file("y", b"1")
        .directory("y", 0o755)
        .file("y/z", b"2")
        .file("f", b"first, longer")
        .file("f", b"second")
        .hardlink("f", "f")
        .file("g", b"other")
        .hardlink("g", "f");
    ground.apply(archive).expect("applied");
    assert_eq!(ground.read("x"), "now a file");
    assert_eq!(ground.read("y/z"), "2");
    assert_eq!(ground.read("g"), "second");
    assert!(ground.base.path().join("discard/0/deep/file").exists());
}

#[test]
fn an_open_directory_that_goes_is_forgotten() {
    let ground = Ground::new();
    let archive = Specimen::default()
        .file("a/b/one", b"1")
        .symlink("a", "/elsewhere")
        .directory("elsewhere/b", 0o755)
        .file("a/b/two", b"2");
    ground.apply(archive).expect("applied");
    assert_eq!(ground.read("elsewhere/b/two"), "2");
}

#[test]
fn holes_stay_holes() {
    let ground = Ground::new();
    let archive = Specimen::default()
        .pax(
            b'x',
            &[
                ("GNU.sparse.major", b"0"),
                ("GNU.sparse.name", b"disk"),
                ("GNU.sparse.size", b"16777216"),
                ("GNU.sparse.map", b"0,3,1000000,3"),
            ],
        )
        .file("x", b"abcxyz");
    let applied = ground.apply(archive).expect("applied");
    assert_eq!(applied.bytes, 16 << 20);
    let disk = ground.stat("disk");
    assert_eq!(disk.len(), 16 << 20);
    assert!(disk.blocks() < 100, "{} blocks", disk.blocks());
    let bytes = fs::read(Path::new(&ground.path("disk"))).expect("read");
    assert_eq!((&bytes[..3], &bytes[1_000_000..1_000_003]), (&b"abc"[..], &b"xyz"[..]));
}

#[test]
fn owners_out_of_range_are_refused() {
    for uid in ["4294967295", "4294967296", "18446744073709551615"] {
        let ground = Ground::new();
        let archive = Specimen::default().pax(b'x', &[("uid", uid.as_bytes())]).file("a", b"");
        assert!(matches!(entry_error(ground.apply(archive)), EntryError::Owner { .. }), "{uid}");
    }
}

#[test]
fn bombs_are_answered_with_their_limit() {
    let limits = Limits { entries: 10, bytes: 1000, path_depth: 5, ..Limits::default() };
    let ground = Ground::new();
    let sum = (0..3).fold(Specimen::default(), |tar, n| tar.file(&format!("{n}"), &[0; 400]));
    let result = ground.apply_with(sum, &limits);
    assert!(matches!(result, Err(ApplyError::Archive(ArchiveError::Limit { what: "bytes", .. }))));
    let deep = Specimen::default().directory("a/b/c/d/e/f", 0o755);
    let error = entry_error(ground.apply_with(deep, &limits));
    assert!(matches!(error, EntryError::Path(PathError::TooDeep(5))));
    let parents = (0..9).fold(Specimen::default(), |tar, n| tar.file(&format!("d{n}/x/y"), b""));
    let result = ground.apply_with(parents, &limits);
    assert!(matches!(
        result,
        Err(ApplyError::Archive(ArchiveError::Limit { what: "entries", .. }))
    ));
    let few = Limits { implied_bytes: 20, ..Limits::default() };
    let archive = Specimen::default().file("aaaaaa/bbbbbb/cccccc/d", b"").file("e", b"");
    let result = ground.apply_with(archive, &few);
    assert!(matches!(result, Err(ApplyError::Archive(ArchiveError::Limit { limit: 20, .. }))));
    let deeper = "d/".repeat(100_000);
    let deep = Specimen::default().pax(b'x', &[("path", deeper.as_bytes())]).directory("d", 0o755);
    let error = entry_error(ground.apply(deep));
    assert!(matches!(error, EntryError::Path(PathError::TooLong(_))));
    let name = "n".repeat(256);
    let long = Specimen::default().pax(b'x', &[("path", name.as_bytes())]).file("n", b"");
    let error = entry_error(ground.apply(long));
    assert!(matches!(error, EntryError::Path(PathError::LongName(255))));
    let keys: Vec<String> = (0..200).map(|n| format!("SCHILY.xattr.user.{n}")).collect();
    let records: Vec<(&str, &[u8])> = keys.iter().map(|key| (key.as_str(), &b"v"[..])).collect();
    let result = ground.apply(Specimen::default().pax(b'x', &records).file("a", b""));
    let what = "extended attributes";
    assert!(
        matches!(result, Err(ApplyError::Archive(ArchiveError::Limit { what: w, .. })) if w == what)
    );
}
