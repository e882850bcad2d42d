//! The files of a log, and where its last entries begin. Blocking.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Most rotated files that are looked for.
const FILES_MAX: u32 = 1000;
/// Bytes read at once on the way back.
const CHUNK: u64 = 64 * 1024;

/// A log's files with the offset 0, oldest first.
pub(super) fn files(path: &Path) -> io::Result<Vec<(File, u64)>> {
    let mut files = Vec::new();
    for number in 0..FILES_MAX {
        let name = match number {
            0 => path.to_owned(),
            number => {
                let mut name = path.as_os_str().to_owned();
                name.push(format!(".{number}"));
                name.into()
            }
        };
        match File::open(&name) {
            Ok(file) => files.push((file, 0)),
            Err(error) if error.kind() == ErrorKind::NotFound && number > 0 => break,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files.reverse();
    Ok(files)
}

/// Of `files` (oldest first) those that hold the last `count` lines, and where these begin.
pub(super) fn last(files: Vec<(File, u64)>, count: usize) -> io::Result<Vec<(File, u64)>> {
    let mut kept = Vec::new();
    let mut missing = count;
    for (file, _) in files.into_iter().rev() {
        // The newest file stays even if nothing of it is wanted: what is written next goes there.
        if missing == 0 && !kept.is_empty() {
            break;
        }
        let (offset, found) = begin(&file, missing)?;
        missing -= found;
        kept.push((file, offset));
    }
    kept.reverse();
    Ok(kept)
}

/// Where the last `count` lines of a file begin, and how many there are, up to `count`.
fn begin(file: &File, count: usize) -> io::Result<(u64, usize)> {
    let length = file.metadata()?.len();
    if count == 0 {
        return Ok((length, 0));
    }
    let mut end = length;
    let mut ends = 0;
    let mut buffer = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        buffer.resize(usize::try_from(end - start).unwrap_or_default(), 0);
        file.read_exact_at(&mut buffer, start)?;
        for (index, byte) in buffer.iter().enumerate().rev() {
            if *byte != b'\n' {
                continue;
            }
            if ends == count {
                return Ok((start + index as u64 + 1, count));
            }
            ends += 1;
        }
        end = start;
    }
    Ok((0, ends))
}
