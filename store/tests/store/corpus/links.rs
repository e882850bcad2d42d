//! Links: out of the root, in circles, to what is not there, and files sent through them.

use super::{Case, makes, refused};
use crate::specimen::Specimen;

fn symlink(name: &str, target: &str) -> Specimen {
    Specimen::default().symlink(name, target)
}

fn file(name: &str) -> Specimen {
    Specimen::default().file(name, b"x")
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = symbolic();
    cases.extend(hard());
    cases
}

fn symbolic() -> Vec<Case> {
    let long = vec![b't'; 4095];
    let by_record = Specimen::default().pax(b'x', &[("linkpath", &long)]).symlink("l", "t");
    vec![
        makes("absolute link", symlink("l", "/etc/passwd"), &["l l 0:0 -> /etc/passwd"]),
        makes("link out", symlink("l", "../../../x"), &["l l 0:0 -> ../../../x"]),
        makes("longest link", by_record, &["l l 0:0 -> (4095 bytes)"]),
        refused("empty link", symlink("l", ""), "symlink: No such file or directory"),
        makes(
            "file through a link",
            Specimen::default().directory("d", 0o755).symlink("l", "d").file("l/x", b"x"),
            &["d d 755 0:0", "d/x f 644 0:0 \"x\"", "l l 0:0 -> d"],
        ),
        makes(
            "file through a link out",
            symlink("l", "../../../..").file("l/x", b"x"),
            &["l l 0:0 -> ../../../..", "x f 644 0:0 \"x\""],
        ),
        makes(
            "file through an absolute link",
            Specimen::default().directory("tmp", 0o755).symlink("l", "/tmp").file("l/x", b"x"),
            &["l l 0:0 -> /tmp", "tmp d 755 0:0", "tmp/x f 644 0:0 \"x\""],
        ),
        refused(
            "file through a dangling link",
            symlink("l", "/nowhere").file("l/x", b"x"),
            "open directory: Not a directory",
        ),
        refused(
            "file through a circle",
            symlink("a", "b").symlink("b", "a").file("a/x", b"x"),
            "Too many levels of symbolic links",
        ),
        refused(
            "file through magic",
            symlink("l", "/proc/self/fd/0").file("l/x", b"x"),
            "open directory: Not a directory",
        ),
        makes(
            "file in a link's place",
            symlink("l", "../../victim").file("l", b"new"),
            &["l f 644 0:0 \"new\""],
        ),
        makes(
            "directory in a link's place",
            symlink("l", "/").directory("l", 0o711).file("l/x", b"x"),
            &["l d 711 0:0", "l/x f 644 0:0 \"x\""],
        ),
        makes(
            "link in a directory's place",
            file("d/y").symlink("d", "..").file("d/x", b"x"),
            &["d l 0:0 -> ..", "x f 644 0:0 \"x\""],
        ),
    ]
}

fn hard() -> Vec<Case> {
    vec![
        makes(
            "hard link",
            file("a").hardlink("b/c", "a"),
            &["a f 644 0:0 \"x\" x2", "b d 755 0:0", "b/c f 644 0:0 \"x\" x2"],
        ),
        makes(
            "hard link by an absolute name",
            file("a").hardlink("b", "/a"),
            &["a f 644 0:0 \"x\" x2", "b f 644 0:0 \"x\" x2"],
        ),
        makes("hard link to itself", file("a").hardlink("a", "a"), &["a f 644 0:0 \"x\""]),
        makes(
            "hard link to a link",
            symlink("l", "/x").hardlink("b", "l"),
            &["b l 0:0 -> /x", "l l 0:0 -> /x"],
        ),
        makes(
            "hard link in a file's place",
            file("a").file("b", b"y").hardlink("b", "a"),
            &["a f 644 0:0 \"x\" x2", "b f 644 0:0 \"x\" x2"],
        ),
        refused("hard link to nothing", file("a").hardlink("b", "c"), "stat hard link target"),
        refused("hard link out", file("a").hardlink("b", "../../../lock"), "path leaves the root"),
        refused(
            "hard link through a link out",
            symlink("l", "/etc").hardlink("b", "l/passwd"),
            "hard link target",
        ),
        refused(
            "hard link to a directory",
            Specimen::default().directory("d", 0o755).hardlink("b", "d"),
            "link: Operation not permitted",
        ),
        refused("hard link to the root", file("a").hardlink("b", "/"), "the root must be a"),
        refused(
            "hard link to a whiteout",
            file(".wh.a").hardlink("b", "a"),
            "a whiteout in disguise",
        ),
    ]
}
