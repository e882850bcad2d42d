//! Where to begin: the last so many entries, or the first one since a time. Files are looked at from their ends, or by
//! halves; what is before the place is not read. Blocking.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use jiff::Timestamp;

use super::parts::{self, Part};
use super::{ENTRY_MAX, Form, Options, json, local};

/// Bytes read at once.
const CHUNK: u64 = 64 * 1024;

/// The parts that hold what `options` asks for, oldest last, each with the place where that begins.
pub(super) fn choose(path: &Path, form: Form, options: &Options) -> io::Result<Vec<(Part, u64)>> {
    let mut chosen = Vec::new();
    let mut missing = options.tail;
    for part in parts::list(path)? {
        // The newest one stays even if nothing of it is wanted: what is written next goes there.
        if missing == Some(0) && !chosen.is_empty() {
            break;
        }
        if missing.is_none() && options.since.is_none() {
            chosen.push((part, 0));
            continue;
        }
        let part = part.unpacked(path)?;
        let mut offset = 0;
        if let Some(count) = missing {
            let (begin, found) = last(part.file(), form, count)?;
            offset = begin;
            missing = Some(count - found);
        }
        let early = match options.since {
            Some(since) => first_since(part.file(), form, since)?,
            None => 0,
        };
        chosen.push((part, offset.max(early)));
        // There is something before `since` in this one, so in older ones there is nothing else.
        if early > 0 {
            break;
        }
    }
    Ok(chosen)
}

/// Where the last `count` entries of a file begin, and how many there are, up to `count`.
fn last(file: &File, form: Form, count: usize) -> io::Result<(u64, usize)> {
    match form {
        Form::Json => last_lines(file, count),
        Form::Local => {
            let mut found = 0;
            let count_them = |_: &[u8]| {
                found += 1;
                true
            };
            let begin = back(file, count_them, count)?;
            Ok((begin, found))
        }
    }
}

fn last_lines(file: &File, count: usize) -> io::Result<(u64, usize)> {
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

/// A place with nothing since `since` before it, and little earlier than that behind it.
fn first_since(file: &File, form: Form, since: Timestamp) -> io::Result<u64> {
    if form == Form::Local {
        let early = |bytes: &[u8]| local::entry(bytes)?.time.value().map(|time| time < since);
        return back(file, |bytes| !early(bytes).unwrap_or(false), usize::MAX);
    }
    let (mut low, mut high) = (0, file.metadata()?.len());
    while high - low > CHUNK {
        let middle = low + (high - low) / 2;
        match line_after(file, middle, high)? {
            Some((begin, time)) if time < since => low = begin,
            _ => high = middle,
        }
    }
    // Whether the file begins before `since` matters to the caller even if nothing was skipped.
    match line_after(file, 0, high)? {
        Some((begin, time)) if low == 0 && time < since => Ok(begin),
        _ => Ok(low),
    }
}

/// The first line that begins behind `at` and is an entry: its place and time.
fn line_after(file: &File, at: u64, limit: u64) -> io::Result<Option<(u64, Timestamp)>> {
    let room = usize::try_from(limit.saturating_sub(at)).unwrap_or(usize::MAX);
    let mut buffer = vec![0; room.min(CHUNK as usize)];
    loop {
        let read = file.read_at(&mut buffer, at)?;
        let mut rest = &buffer[..read];
        while let Some((_, behind)) = json::split(rest) {
            let Some((line, _)) = json::split(behind) else { break };
            if let Some(time) = json::entry(line).and_then(|entry| entry.time.value()) {
                return Ok(Some((at + (read - behind.len()) as u64, time)));
            }
            rest = behind;
        }
        if buffer.len() >= room.min(2 * ENTRY_MAX) {
            return Ok(None);
        }
        let more = (buffer.len() * 2).min(room);
        buffer.resize(more, 0);
    }
}

/// Goes back over the entries of a `local` file while `wanted` says so, `count` of them at most: where the last wanted
/// one begins. What can not be read ends it.
fn back(file: &File, mut wanted: impl FnMut(&[u8]) -> bool, count: usize) -> io::Result<u64> {
    const LENGTH: u64 = local::LENGTH as u64;
    let mut end = file.metadata()?.len();
    let (mut start, mut window) = (end, Vec::new());
    for _ in 0..count {
        let entry = loop {
            let held = usize::try_from(end - start).unwrap_or_default();
            let length =
                held.checked_sub(local::LENGTH).and_then(|at| local::length_at(&window, at));
            let begin = length.and_then(|length| held.checked_sub(length + 2 * local::LENGTH));
            if let (Some(length), Some(begin)) = (length, begin) {
                let twice = local::length_at(&window, begin) == Some(length);
                break twice.then(|| begin + local::LENGTH..begin + local::LENGTH + length);
            }
            // More of the file, unless no entry is so long.
            let wanted = length.map_or(CHUNK, |length| CHUNK + length as u64 + 2 * LENGTH);
            if start == 0 || length.is_some_and(|length| length > ENTRY_MAX) {
                break None;
            }
            start = end.saturating_sub(wanted);
            window.resize(usize::try_from(end - start).unwrap_or_default(), 0);
            file.read_exact_at(&mut window, start)?;
        };
        match entry {
            Some(entry) if wanted(&window[entry.clone()]) => {
                end = start + entry.start as u64 - LENGTH;
            }
            _ => break,
        }
    }
    Ok(end)
}
