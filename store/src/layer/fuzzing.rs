//! The walk over an archive for a fuzzer: no file system, no more than the archive's own bytes.

use super::archive::{Archive, ArchiveError, Kind};
use super::limits::Limits;
use super::path::{CleanPath, meaning};

/// Walks an archive to its end; the number of its entries.
///
/// # Errors
/// The archive's.
///
/// # Panics
/// When an entry's data is not what its header and its map say, or a clean path is not.
pub fn walk(mut bytes: &[u8]) -> Result<u64, ArchiveError> {
    let limits = Limits::default();
    let mut archive = Archive::new(&mut bytes, &limits);
    let mut entries = 0;
    while let Some(entry) = archive.next()? {
        entries += 1;
        check_path(&entry.path, &limits);
        let Kind::File { regions } = &entry.kind else { continue };
        let announced =
            regions.as_ref().map_or(entry.size, |regions| regions.iter().map(|r| r.length).sum());
        let mut seen = 0;
        loop {
            let used = archive.data(u64::MAX, |bytes| Ok::<_, ArchiveError>(bytes.len()))?;
            if used == 0 {
                break;
            }
            seen += used as u64;
        }
        assert_eq!(seen, announced, "{entry:?}");
    }
    archive.drain()?;
    Ok(entries)
}

fn check_path(path: &[u8], limits: &Limits) {
    let Ok(clean) = CleanPath::new(path, limits) else { return };
    assert_eq!(CleanPath::new(&[b"/", clean.as_bytes()].concat(), limits).as_ref(), Ok(&clean));
    assert!(clean.names().all(|name| !matches!(name, b"." | b"..")));
    if let Some((parent, name)) = clean.split() {
        assert_eq!(parent.join(name), clean);
        assert!(clean.is_below(&parent));
        meaning(name).ok();
    }
}
