//! What the walk over an archive reads and refuses.

use super::*;
use crate::layer::specimen::Specimen;

type Read = Result<Vec<(String, u64, Vec<u8>)>, ArchiveError>;

fn read_with(bytes: &[u8], limits: &Limits) -> Read {
    let mut reader = bytes;
    let mut archive = Archive::new(&mut reader, limits);
    let mut entries = Vec::new();
    while let Some(entry) = archive.next()? {
        let mut data = Vec::new();
        if matches!(entry.kind, Kind::File { .. }) {
            while archive.data(7, |bytes| {
                data.extend_from_slice(bytes);
                Ok::<_, ArchiveError>(bytes.len())
            })? > 0
            {}
        }
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        entries.push((path, entry.size, data));
    }
    archive.drain()?;
    Ok(entries)
}

fn read(bytes: &[u8]) -> Read {
    read_with(bytes, &Limits::default())
}

fn names(bytes: &[u8]) -> Vec<String> {
    read(bytes).expect("readable").into_iter().map(|(name, ..)| name).collect()
}

#[test]
fn a_pax_size_goes_before_the_headers() {
    // A reader that believes the header's 0 finds a second entry inside the first one's data.
    let hidden = Specimen::default().file("hidden", b"evil").cut();
    let size = hidden.len().to_string();
    let bytes = Specimen::default()
        .pax(b'x', &[("SCHILY.xattr.user.a", b"1\n2 x\n"), ("size", size.as_bytes())])
        .header(b'0', b"outer", |header| header.set_size(0))
        .data(&hidden)
        .file("after", b"")
        .finish();
    assert_eq!(names(&bytes), ["outer", "after"]);
}

#[test]
fn links_and_directories_have_no_data() {
    let bytes = Specimen::default()
        .header(b'5', b"dir", |header| header.set_size(4096))
        .header(b'1', b"link", |header| header.set_size(10))
        .file("after", b"x")
        .finish();
    assert_eq!(names(&bytes), ["dir", "link", "after"]);
}

#[test]
fn long_names_by_gnu_and_pax() {
    let long = "d/".repeat(100) + "file";
    let with_zero = [long.as_bytes(), b"\0"].concat();
    let gnu = Specimen::default()
        .entry(b'L', b"././@LongLink", &with_zero, |_| {})
        .file("short", b"1")
        .finish();
    assert_eq!(names(&gnu), [long.as_str()]);
    let pax = Specimen::default().pax(b'x', &[("path", long.as_bytes())]).file("short", b"1");
    assert_eq!(names(&pax.finish()), [long.as_str()]);
}

#[test]
fn global_headers_comment_only() {
    let comment = Specimen::default().pax(b'g', &[("comment", b"0123")]).file("a", b"");
    assert_eq!(names(&comment.finish()), ["a"]);
    let path = Specimen::default().pax(b'g', &[("path", b"/etc/shadow")]).file("a", b"");
    assert!(matches!(read(&path.finish()), Err(ArchiveError::GlobalHeader(key)) if key == "path"));
}

#[test]
fn misplaced_extensions_are_refused() {
    let records: &[(&str, &[u8])] = &[("path", b"x")];
    let twice = Specimen::default().pax(b'x', records).pax(b'x', records).file("a", b"");
    assert!(matches!(read(&twice.finish()), Err(ArchiveError::Extension)));
    let last = Specimen::default().pax(b'x', records);
    assert!(matches!(read(&last.finish()), Err(ArchiveError::Extension)));
}

#[test]
fn cut_and_damaged_archives_are_refused() {
    let whole = Specimen::default().file("a", &[7; 1000]).finish();
    for length in [1, 511, 513, 1000, 1511] {
        assert!(matches!(read(&whole[..length]), Err(ArchiveError::Truncated)), "{length}");
    }
    for length in [1512, 1513, 1535, 1536, 2048] {
        assert_eq!(names(&whole[..length]), ["a"], "{length}: neither padding nor end is needed");
    }
    for length in [1537, 2049, 2559] {
        assert!(matches!(read(&whole[..length]), Err(ArchiveError::Truncated)), "{length}");
    }
    assert!(names(&[]).is_empty());
    let mut damaged = whole.clone();
    damaged[0] = b'b';
    assert!(matches!(read(&damaged), Err(ArchiveError::Checksum)));
    let half_end = [vec![0; 512], whole].concat();
    assert!(matches!(read(&half_end), Err(ArchiveError::Checksum)));
    let kind = Specimen::default().header(b'V', b"volume", |_| {}).finish();
    assert!(matches!(read(&kind), Err(ArchiveError::Type { kind: 'V', .. })));
}

#[test]
fn numbers_in_all_their_forms() {
    assert_eq!(number(b"0000644\0", "").expect("octal"), 0o644);
    assert_eq!(number(b"   644 \0", "").expect("spaces"), 0o644);
    assert_eq!(number(b"\0\0\0\0", "").expect("empty"), 0);
    assert_eq!(number(b"\x80\0\0\0\0\0\x01\0", "").expect("base 256"), 256);
    assert!(number(b"0000648\0", "").is_err());
    assert!(number(b"-000644\0", "").is_err());
    assert!(number(&[0xff; 12], "").is_err());
    let before_1970 = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe];
    assert_eq!(seconds(&before_1970).expect("negative"), (-2, 0));
}

#[test]
fn sparse_files_in_their_three_forms() {
    let old = Specimen::default().entry(b'S', b"old", &[1; 512], |header| {
        let gnu = header.as_gnu_mut().expect("gnu header");
        gnu.set_real_size(10_000);
        gnu.sparse[0].set_offset(4096);
        gnu.sparse[0].set_length(512);
    });
    let map = old.pax(
        b'x',
        &[
            ("GNU.sparse.major", b"0"),
            ("GNU.sparse.minor", b"1"),
            ("GNU.sparse.name", b"map"),
            ("GNU.sparse.size", b"9000"),
            ("GNU.sparse.numblocks", b"1"),
            ("GNU.sparse.map", b"100,3"),
        ],
    );
    let in_data = map.file("GNUSparseFile.0/map", b"abc").pax(
        b'x',
        &[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"data"),
            ("GNU.sparse.realsize", b"8000"),
        ],
    );
    let mut data = b"1\n200\n3\n".to_vec();
    data.resize(512, 0);
    data.extend_from_slice(b"xyz");
    let bytes = in_data.file("GNUSparseFile.0/data", &data).file("after", b"").finish();
    let entries = read(&bytes).expect("readable");
    let seen: Vec<_> = entries.iter().map(|(name, size, _)| (name.as_str(), *size)).collect();
    assert_eq!(seen, [("old", 10_000), ("map", 9000), ("data", 8000), ("after", 0)]);
    assert_eq!(entries[1].2, b"abc");
    assert_eq!(entries[2].2, b"xyz");
}

#[test]
fn limits_are_answered() {
    let limits = Limits { entries: 3, bytes: 1000, extension_bytes: 600, ..Limits::default() };
    let many = (0..4).fold(Specimen::default(), |tar, n| tar.file(&format!("{n}"), b""));
    let entries = read_with(&many.finish(), &limits);
    assert!(matches!(entries, Err(ArchiveError::Limit { what: "entries", limit: 3 })));
    let large = Specimen::default().header(b'0', b"a", |header| header.set_size(1001)).finish();
    let bytes = read_with(&large, &limits);
    assert!(matches!(bytes, Err(ArchiveError::Limit { what: "bytes", limit: 1000 })));
    // A header that announces gigabytes of records must not be read into memory.
    let records = Specimen::default().header(b'x', b"pax", |header| header.set_size(8 << 30));
    let extension = read_with(&records.finish(), &limits);
    assert!(matches!(extension, Err(ArchiveError::Limit { limit: 600, .. })));
    let holes = Specimen::default()
        .pax(b'x', &[("GNU.sparse.major", b"0"), ("GNU.sparse.size", b"99999999999")])
        .file("a", b"");
    let sparse = read_with(&holes.finish(), &limits);
    assert!(matches!(sparse, Err(ArchiveError::Limit { what: "bytes", .. })));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let _ = read(&bytes);
        }

        #[test]
        fn any_damage_is_read_or_refused(at in 0_usize..3072, value in any::<u8>()) {
            let mut bytes = Specimen::default()
                .pax(b'x', &[("path", b"name"), ("mtime", b"1.5")])
                .file("a", b"data")
                .finish();
            bytes[at] = value;
            let _ = read(&bytes);
        }
    }
}
