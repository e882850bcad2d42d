//! Names: out of the root, too long, too deep, of no known encoding.

use super::{Case, makes, refused};
use crate::specimen::Specimen;

fn file(name: &str) -> Specimen {
    Specimen::default().file(name, b"x")
}

/// By a PAX record, where a header has no room.
fn long(path: &[u8]) -> Specimen {
    Specimen::default().pax(b'x', &[("path", path)]).file("short", b"x")
}

pub(super) fn cases() -> Vec<Case> {
    let deep = |depth: usize| vec!["d"; depth].join("/").into_bytes();
    vec![
        refused("parent", file("../x"), "path leaves the root"),
        refused("parent of a child", file("a/../../x"), "path leaves the root"),
        refused("only the parent", file(".."), "path leaves the root"),
        refused("parent by a record", long(b"../../x"), "path leaves the root"),
        makes("absolute", file("/etc/x"), &["etc d 755 0:0", "etc/x f 644 0:0 \"x\""]),
        makes("slashes", file("//a///x"), &["a d 755 0:0", "a/x f 644 0:0 \"x\""]),
        makes("dots", file("./a/./x"), &["a d 755 0:0", "a/x f 644 0:0 \"x\""]),
        makes("there and back", file("a/../x"), &["x f 644 0:0 \"x\""]),
        makes("three dots", file(".../..x"), &["... d 755 0:0", ".../..x f 644 0:0 \"x\""]),
        makes("backslashes", file("..\\x"), &["..\\\\x f 644 0:0 \"x\""]),
        makes("line feed", file("a\nb"), &["a\\nb f 644 0:0 \"x\""]),
        makes("space and colon", file(" :"), &[" : f 644 0:0 \"x\""]),
        makes(
            "latin 1",
            Specimen::default().entry(b'0', b"caf\xe9", b"x", |_| {}),
            &["caf\\xe9 f 644 0:0 \"x\""],
        ),
        makes("latin 1 by a record", long(b"\xff\xfe"), &["\\xff\\xfe f 644 0:0 \"x\""]),
        refused("no name", file(""), "empty path"),
        makes("root as a directory", Specimen::default().directory("./", 0o700), &[]),
        refused("root as a file", file("."), "the root must be a directory"),
        refused("root as a link", Specimen::default().symlink("/", "x"), "the root must be a"),
        refused("zero byte", long(b"a\0b"), "path contains a zero byte"),
        makes("longest name", long(&[b'n'; 255]), &["(255 bytes) f 644 0:0 \"x\""]),
        refused("longer name", long(&[b'n'; 256]), "name is longer than 255 bytes"),
        refused("longer path", long(&b"dd/".repeat(1400)), "path is longer than 4095 bytes"),
        refused("too deep", long(&deep(1025)), "path is deeper than 1024 names"),
        makes(
            "file as a parent",
            file("a").directory("b", 0o755),
            &["a f 644 0:0 \"x\"", "b d 755 0:0"],
        ),
        refused("file above a file", file("a").file("a/b", b"y"), "Not a directory"),
    ]
}
