//! Whiteouts: alone, beside entries of their own layer in either order, malformed, in disguise.

use super::{Case, makes, refused};
use crate::specimen::Specimen;

const OPAQUE: &str = ".wh..wh..opq";

fn file(name: &str) -> Specimen {
    Specimen::default().file(name, b"x")
}

fn directory(name: &str) -> Specimen {
    Specimen::default().directory(name, 0o750)
}

pub(super) fn cases() -> Vec<Case> {
    let opaque = format!("d/{OPAQUE}");
    let mut cases = vec![
        makes("whiteout", file(".wh.a"), &["a c 0 0:0 0:0"]),
        makes("whiteout below", file("d/.wh.a"), &["d d 755 0:0", "d/a c 0 0:0 0:0"]),
        makes("whiteout twice", file(".wh.a").file(".wh.a", b""), &["a c 0 0:0 0:0"]),
        makes("file, whiteout", file("a").file(".wh.a", b""), &["a f 644 0:0 \"x\""]),
        makes("whiteout, file", file(".wh.a").file("a", b"x"), &["a f 644 0:0 \"x\""]),
        makes(
            "directory, whiteout",
            directory("d").file(".wh.d", b""),
            &["d d 750 0:0 trusted.overlay.opaque=y"],
        ),
        makes(
            "whiteout, directory",
            file(".wh.d").directory("d", 0o750),
            &["d d 750 0:0 trusted.overlay.opaque=y"],
        ),
        makes(
            "whiteout, file below",
            file(".wh.d").file("d/x", b"x"),
            &["d d 755 0:0 trusted.overlay.opaque=y", "d/x f 644 0:0 \"x\""],
        ),
        makes(
            "opaque",
            directory("d").file(&opaque, b""),
            &["d d 750 0:0 trusted.overlay.opaque=y"],
        ),
        makes(
            "opaque without a directory",
            file(&opaque),
            &["d d 755 0:0 trusted.overlay.opaque=y"],
        ),
        makes(
            "opaque again and again",
            file(&opaque).file(&opaque, b"").file(&opaque, b"").file("d/x", b"x"),
            &["d d 755 0:0 trusted.overlay.opaque=y", "d/x f 644 0:0 \"x\""],
        ),
        makes("opaque root", file(OPAQUE), &[]),
        makes("bookkeeping of aufs", file(".wh..wh.plnk").file(".wh..wh.aufs", b""), &[]),
        makes("whiteout below a file", file("a").file("a/.wh.b", b""), &["a f 644 0:0 \"x\""]),
        makes("whiteout below a whiteout", file(".wh.a").file("a/.wh.b", b""), &["a c 0 0:0 0:0"]),
        makes(
            "whiteout as a directory",
            directory(".wh.d").file("x", b"x"),
            &["d c 0 0:0 0:0", "x f 644 0:0 \"x\""],
        ),
        makes("whiteout of a whiteout", file(".wh.x.wh.y"), &["x.wh.y c 0 0:0 0:0"]),
    ];
    cases.extend(malformed());
    cases
}

fn malformed() -> Vec<Case> {
    vec![
        refused("whiteout of nothing", file(".wh."), "whiteout of no file"),
        refused("whiteout of the directory", file(".wh.."), "whiteout of no file"),
        refused("whiteout of the parent", file("d/.wh..."), "whiteout of no file"),
        refused(
            "whiteout in disguise",
            Specimen::default().device(b'3', "a", 0, 0),
            "a whiteout in disguise",
        ),
        makes(
            "opaque in disguise",
            Specimen::default()
                .pax(b'x', &[("SCHILY.xattr.trusted.overlay.opaque", b"y")])
                .directory("d", 0o755),
            &["d d 755 0:0"],
        ),
        makes(
            "redirect",
            Specimen::default()
                .pax(b'x', &[("SCHILY.xattr.trusted.overlay.redirect", b"/etc")])
                .directory("d", 0o755),
            &["d d 755 0:0"],
        ),
    ]
}
