//! Headers and their order: extensions, ends, cuts, numbers that are none.

use super::{Case, makes, makes_bytes, refused, refused_bytes};
use crate::specimen::Specimen;

fn none() -> Specimen {
    Specimen::default()
}

pub(super) fn cases() -> Vec<Case> {
    let name = vec![b'n'; 200];
    let with_zero = [name.as_slice(), b"\0"].concat();
    let long = none().entry(b'L', b"././@LongLink", &with_zero, |_| {}).file("n", b"x");
    let target = none().entry(b'K', b"././@LongLink", &with_zero, |_| {}).symlink("l", "t");
    let both = none()
        .entry(b'L', b"././@LongLink", b"gnu\0", |_| {})
        .pax(b'x', &[("path", b"pax")])
        .file("n", b"x");
    // What a parser that trusts the header's size takes for an entry.
    let hidden = none().file("hidden", b"").cut();
    let covered =
        none().pax(b'x', &[("size", b"512")]).entry(b'0', b"a", &hidden, |h| h.set_size(0));
    let sized_link = none().header(b'1', b"b", |header| {
        header.set_size(512);
        header.as_old_mut().linkname[0] = b'a';
    });
    let sized_link = [none().file("a", b"x").cut(), sized_link.finish()].concat();
    vec![
        makes("long name", long, &["(200 bytes) f 644 0:0 \"x\""]),
        makes("long target", target, &["l l 0:0 -> (200 bytes)"]),
        makes("both kinds of names", both, &["gnu f 644 0:0 \"x\""]),
        makes("size by a record", covered, &["a f 644 0:0 512 bytes"]),
        makes_bytes(
            "size of a link",
            sized_link,
            &["a f 644 0:0 \"x\" x2", "b f 644 0:0 \"x\" x2"],
        ),
        makes(
            "unknown record",
            none().pax(b'x', &[("VENDOR.any", b"x")]).file("a", b"x"),
            &["a f 644 0:0 \"x\""],
        ),
        makes(
            "global comment",
            none().pax(b'g', &[("comment", b"x")]).file("a", b"x"),
            &["a f 644 0:0 \"x\""],
        ),
        refused("global name", none().pax(b'g', &[("path", b"x")]).file("a", b""), "global pax"),
        refused("global size", none().pax(b'g', &[("size", b"9")]).file("a", b""), "global pax"),
        refused(
            "two long names",
            none().entry(b'L', b"l", b"a", |_| {}).entry(b'L', b"l", b"b", |_| {}).file("c", b""),
            "misplaced extension header",
        ),
        refused(
            "two records",
            none().pax(b'x', &[("path", b"a")]).pax(b'x', &[("path", b"b")]).file("c", b""),
            "misplaced extension header",
        ),
        refused("record of nothing", none().pax(b'x', &[("path", b"a")]), "misplaced extension"),
        refused(
            "record that lies of its length",
            none().entry(b'x', b"pax", b"99 path=a\n", |_| {}).file("c", b""),
            "malformed pax record",
        ),
        refused(
            "huge record",
            none().header(b'x', b"pax", |header| header.set_size(1 << 40)),
            "bytes of an extension header",
        ),
    ]
}

pub(super) fn broken() -> Vec<Case> {
    let file = || none().file("a", &[b'x'; 600]);
    let whole = file().cut();
    let cut = |at: usize| whole[..at].to_vec();
    let mut flipped = file().finish();
    flipped[0] = b'b';
    let zero = [vec![0; 512], file().finish()].concat();
    let field = |change: fn(&mut tar::Header)| none().header(b'0', b"a", change);
    vec![
        makes_bytes("nothing", Vec::new(), &[]),
        makes("only an end", none(), &[]),
        makes_bytes("no end", whole.clone(), &["a f 644 0:0 600 bytes"]),
        makes_bytes("no padding", cut(512 + 600), &["a f 644 0:0 600 bytes"]),
        makes_bytes(
            "half an end",
            [whole.clone(), vec![0; 512]].concat(),
            &["a f 644 0:0 600 bytes"],
        ),
        makes_bytes(
            "more after the end",
            [file().finish(), b"anything".to_vec()].concat(),
            &["a f 644 0:0 600 bytes"],
        ),
        refused_bytes("cut in the header", cut(100), "archive ends too early"),
        refused_bytes("cut in the data", cut(700), "archive ends too early"),
        refused_bytes("cut before the data", cut(512), "archive ends too early"),
        refused_bytes("other byte", flipped, "header checksum mismatch"),
        refused_bytes("zeros, then a header", zero, "header checksum mismatch"),
        refused_bytes("no archive", vec![b'?'; 2048], "header checksum mismatch"),
        refused(
            "size of letters",
            field(|h| h.as_old_mut().size = *b"letters 0000"),
            "malformed size",
        ),
        refused("size beyond all", field(|h| h.as_old_mut().size = [0xff; 12]), "malformed size"),
        refused("size beyond a disk", field(|h| h.set_size(1 << 50)), "more than"),
        refused("mode of letters", field(|h| h.as_old_mut().mode = *b"rw-r--r-"), "malformed mode"),
        refused("owner of letters", field(|h| h.as_old_mut().uid = *b"root    "), "malformed uid"),
    ]
}
