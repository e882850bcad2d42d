//! What nodes are and have: devices, owners, modes, times, attributes, holes.

use super::{Case, makes, refused};
use crate::specimen::Specimen;

fn with(records: &[(&str, &[u8])]) -> Specimen {
    Specimen::default().pax(b'x', records).file("a", b"x")
}

fn xattr(name: &str, value: &[u8]) -> Specimen {
    with(&[(&format!("SCHILY.xattr.{name}"), value)])
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = kinds();
    cases.extend(owners_and_times());
    cases.extend(attributes());
    cases.extend(holes());
    cases
}

fn kinds() -> Vec<Case> {
    let none = Specimen::default;
    vec![
        makes("character device", none().device(b'3', "n", 1, 3), &["n c 644 0:0 1:3"]),
        makes("block device", none().device(b'4', "n", 8, 17), &["n b 644 0:0 8:17"]),
        makes("block device 0:0", none().device(b'4', "n", 0, 0), &["n b 644 0:0 0:0"]),
        makes("fifo", none().header(b'6', b"p", |_| {}), &["p p 644 0:0"]),
        makes("contiguous file", none().entry(b'7', b"a", b"x", |_| {}), &["a f 644 0:0 \"x\""]),
        makes("file of old", none().entry(0, b"a", b"x", |_| {}), &["a f 644 0:0 \"x\""]),
        makes("directory of old", none().header(0, b"d/", |h| h.set_mode(0o755)), &["d d 755 0:0"]),
        makes("sticky", none().directory("t", 0o1777), &["t d 1777 0:0"]),
        makes(
            "mode with a type",
            none().header(b'0', b"a", |h| h.set_mode(0o100_640)),
            &["a f 640 0:0 \"\""],
        ),
        makes("twice", none().file("a", b"x").file("a", b"yz"), &["a f 644 0:0 \"yz\""]),
        makes("directory, file", none().file("d/y", b"").file("d", b"x"), &["d f 644 0:0 \"x\""]),
        makes("file, directory", none().file("d", b"x").directory("d", 0o700), &["d d 700 0:0"]),
        refused("volume label", none().header(b'V', b"v", |_| {}), "unsupported type 'V'"),
        refused("multi-volume", none().header(b'M', b"v", |_| {}), "unsupported type 'M'"),
    ]
}

fn owners_and_times() -> Vec<Case> {
    let setuid = Specimen::default().header(b'0', b"a", |header| {
        header.set_mode(0o6755);
        header.set_uid(1000);
        header.set_gid(1001);
    });
    let binary = Specimen::default().header(b'0', b"a", |header| header.set_uid(1 << 30));
    vec![
        makes("setuid with an owner", setuid, &["a f 6755 1000:1001 \"\""]),
        makes("owner beyond octal", binary, &["a f 644 1073741824:0 \"\""]),
        makes(
            "owner by a record",
            with(&[("uid", b"3000000"), ("gid", b"4294967294")]),
            &["a f 644 3000000:4294967294 \"x\""],
        ),
        refused("owner of nobody", with(&[("uid", b"4294967295")]), "is out of range"),
        refused("owner that wraps to root", with(&[("uid", b"4294967296")]), "is out of range"),
        refused("owner below zero", with(&[("uid", b"-1")]), "malformed pax record"),
        makes("fine time", with(&[("mtime", b"1.000000001")]), &["a f 644 0:0 \"x\" @1.000000001"]),
        makes(
            "time before 1970",
            with(&[("mtime", b"-1.5")]),
            &["a f 644 0:0 \"x\" @-2.500000000"],
        ),
        refused("no time", with(&[("mtime", b"noon")]), "malformed pax record"),
    ]
}

fn attributes() -> Vec<Case> {
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let link = Specimen::default().pax(b'x', &[("SCHILY.xattr.user.a", b"b")]).symlink("l", "t");
    let names: Vec<String> = (0..129).map(|n| format!("SCHILY.xattr.user.{n}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"v"[..])).collect();
    vec![
        makes("attribute", xattr("user.a", b"b\n=\0"), &["a f 644 0:0 \"x\" user.a=b\\n=\\x00"]),
        makes(
            "capability",
            xattr("security.capability", capability),
            &["a f 644 0:0 \"x\" security.capability=\
             \\x01\\x00\\x00\\x02\\x00 \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"],
        ),
        makes("label of the host", xattr("security.selinux", b"x"), &["a f 644 0:0 \"x\""]),
        makes("integrity of the host", xattr("security.ima", b"x"), &["a f 644 0:0 \"x\""]),
        makes("attribute of overlay", xattr("user.overlay.opaque", b"y"), &["a f 644 0:0 \"x\""]),
        makes("attribute of a link", link, &["l l 0:0 -> t"]),
        refused("attribute without a name", xattr("", b"x"), "malformed pax record"),
        refused("too many attributes", with(&many), "more than 128 extended attributes"),
    ]
}

fn holes() -> Vec<Case> {
    let sparse = |map: &[u8], size: &[u8], data: &[u8]| {
        let records = [
            ("GNU.sparse.major", &b"0"[..]),
            ("GNU.sparse.minor", b"1"),
            ("GNU.sparse.map", map),
            ("GNU.sparse.size", size),
        ];
        Specimen::default().pax(b'x', &records).file("a", data)
    };
    let in_data = |list: &[u8], data: &[u8]| {
        let records = [
            ("GNU.sparse.major", &b"1"[..]),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"real"),
            ("GNU.sparse.realsize", b"100000"),
        ];
        let mut bytes = list.to_vec();
        bytes.resize(512, 0);
        bytes.extend_from_slice(data);
        Specimen::default().pax(b'x', &records).file("a", &bytes)
    };
    vec![
        makes("holes", sparse(b"90000,4", b"100000", b"data"), &["a f 644 0:0 100000 bytes holes"]),
        makes(
            "nothing but a hole",
            sparse(b"", b"100000", b""),
            &["a f 644 0:0 100000 bytes holes"],
        ),
        makes(
            "holes told in the data",
            in_data(b"1\n50000\n4\n", b"data"),
            &["real f 644 0:0 100000 bytes holes"],
        ),
        refused(
            "regions that overlap",
            sparse(b"0,4,2,4", b"9", b"datadata"),
            "malformed sparse map",
        ),
        refused("regions behind the end", sparse(b"8,4", b"9", b"data"), "malformed sparse map"),
        refused("regions without data", sparse(b"0,9", b"9", b"data"), "malformed sparse map"),
        refused("a map of words", sparse(b"a,b", b"9", b""), "malformed sparse map"),
        refused("a map without an end", in_data(b"7\n1\n", b""), "malformed sparse map"),
        refused("a hole larger than a disk", sparse(b"", b"999999999999999", b""), "more than"),
    ]
}
