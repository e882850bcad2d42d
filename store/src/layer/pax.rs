//! Records of PAX extension headers: `<length> <key>=<value>\n`, the length in decimal and of the
//! whole record. Values are bytes: a capability holds line feeds and zeros, so records are cut by
//! their lengths and never searched for.
//!
//! Source: POSIX.1-2017, pax, "pax Extended Header"; GNU tar manual, "Storing Sparse Files".

use super::archive::ArchiveError;
use super::limits::Limits;
use super::sparse::PaxSparse;

const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";
const SPARSE_PREFIX: &[u8] = b"GNU.sparse.";
/// Keys that say where an entry goes or how long it is: nobody may set them for all entries.
const NEVER_GLOBAL: &[&[u8]] = &[b"path", b"linkpath", b"size"];

/// Seconds and nanoseconds since 1970; seconds may be negative, nanoseconds not.
pub(crate) type Time = (i64, u32);

/// What a local extension header says of the next entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) mtime: Option<Time>,
    /// Name and value.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) sparse: PaxSparse,
}

impl Extensions {
    /// Reads a local header. A later record of a key replaces an earlier one, an empty value takes
    /// it back.
    pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, ArchiveError> {
        let mut extensions = Self::default();
        for record in Records(bytes) {
            let (key, value) = record?;
            extensions.take(key, value, limits)?;
        }
        Ok(extensions)
    }

    fn take(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), ArchiveError> {
        match key {
            b"path" => self.path = text(value),
            b"linkpath" => self.link = text(value),
            b"size" => self.size = number(value)?,
            b"uid" => self.uid = number(value)?,
            b"gid" => self.gid = number(value)?,
            b"mtime" if value.is_empty() => self.mtime = None,
            b"mtime" => self.mtime = Some(time(value).ok_or(ArchiveError::Pax)?),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR_PREFIX) {
                    self.take_xattr(name, value, limits)?;
                } else if let Some(name) = key.strip_prefix(SPARSE_PREFIX) {
                    self.sparse.take(name, value, limits)?;
                }
            }
        }
        Ok(())
    }

    fn take_xattr(
        &mut self,
        name: &[u8],
        value: &[u8],
        limits: &Limits,
    ) -> Result<(), ArchiveError> {
        if name.is_empty() || name.contains(&0) {
            return Err(ArchiveError::Pax);
        }
        self.xattrs.retain(|(other, _)| other != name);
        if self.xattrs.len() == limits.xattrs {
            let limit = limits.xattrs as u64;
            return Err(ArchiveError::Limit { what: "extended attributes", limit });
        }
        self.xattrs.push((name.to_vec(), value.to_vec()));
        Ok(())
    }
}

/// Checks a global header. Docker's tools do not apply them (git writes a comment in one); one
/// that would move or resize entries is read differently by different programs and refused.
pub(crate) fn check_global(bytes: &[u8]) -> Result<(), ArchiveError> {
    for record in Records(bytes) {
        let (key, _) = record?;
        if NEVER_GLOBAL.contains(&key) || key.starts_with(SPARSE_PREFIX) {
            return Err(ArchiveError::GlobalHeader(String::from_utf8_lossy(key).into_owned()));
        }
    }
    Ok(())
}

struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Some writers pad with zeros.
        if self.0.iter().all(|byte| *byte == 0) {
            return None;
        }
        let record = split_record(self.0);
        self.0 = record.map_or(&[], |(_, _, rest)| rest);
        Some(record.map(|(key, value, _)| (key, value)).ok_or(ArchiveError::Pax))
    }
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let body = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    (equals > 0).then(|| (&body[..equals], &body[equals + 1..], rest))
}

fn text(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

fn number(value: &[u8]) -> Result<Option<u64>, ArchiveError> {
    if value.is_empty() {
        return Ok(None);
    }
    decimal(value).map(Some).ok_or(ArchiveError::Pax)
}

/// Digits alone: no sign, no space.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `[-]seconds[.fraction]`; what is finer than nanoseconds is cut.
fn time(value: &[u8]) -> Option<Time> {
    let (is_negative, value) = match value.strip_prefix(b"-") {
        Some(value) => (true, value),
        None => (false, value),
    };
    let point = value.iter().position(|byte| *byte == b'.').unwrap_or(value.len());
    let seconds = i64::try_from(decimal(&value[..point])?).ok()?;
    let fraction = value.get(point + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |index: usize| u32::from(fraction.get(index).map_or(0, |byte| byte - b'0'));
    let nanoseconds = (0..9).fold(0, |sum, index| sum * 10 + digit(index));
    match (is_negative, nanoseconds) {
        (false, _) => Some((seconds, nanoseconds)),
        (true, 0) => Some((-seconds, 0)),
        (true, _) => Some((-seconds - 1, 1_000_000_000 - nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let mut body = format!(" {key}=").into_bytes();
        body.extend_from_slice(value);
        body.push(b'\n');
        let length = (1..).find(|n| n.to_string().len() + body.len() == *n).expect("length");
        [length.to_string().into_bytes(), body].concat()
    }

    #[test]
    fn binary_values_hide_nothing() {
        // A parser that cuts at line feeds loses the size here.
        let bytes = [
            record("SCHILY.xattr.security.capability", b"\x01\n\x00=\n12 size=1\n"),
            record("size", b"8589934592"),
            record("mtime", b"1700000000.123456789"),
            record("uid", b"4000000000"),
        ]
        .concat();
        let extensions = Extensions::parse(&bytes, &Limits::default()).expect("records");
        assert_eq!(extensions.size, Some(8_589_934_592));
        assert_eq!(extensions.uid, Some(4_000_000_000));
        assert_eq!(extensions.mtime, Some((1_700_000_000, 123_456_789)));
        assert_eq!(extensions.xattrs[0].1, b"\x01\n\x00=\n12 size=1\n");
    }

    #[test]
    fn the_last_record_counts_and_empty_ones_take_back() {
        let bytes =
            [record("path", b"a"), record("path", b"b"), record("size", b"1"), record("size", b"")];
        let extensions = Extensions::parse(&bytes.concat(), &Limits::default()).expect("records");
        assert_eq!(extensions.path.as_deref(), Some(&b"b"[..]));
        assert_eq!(extensions.size, None);
    }

    #[test]
    fn malformed_records_are_errors() {
        let bad: &[&[u8]] = &[
            b"x",
            b"5 a=b",
            b"99 a=b\n",
            b"0 a=b\n",
            b"6 a=bc\n",
            b"5 =b\n",
            b"-6 a=b\n",
            b"4 ab\n",
            b"12 size=+10\n",
            b"11 size=0x1\n",
        ];
        for bytes in bad {
            let result = Extensions::parse(bytes, &Limits::default());
            assert!(result.is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn times_before_1970_and_fine_ones() {
        assert_eq!(time(b"-1.5"), Some((-2, 500_000_000)));
        assert_eq!(time(b"-3"), Some((-3, 0)));
        assert_eq!(time(b"1.0000000019"), Some((1, 1)));
        assert_eq!(time(b"1."), Some((1, 0)));
        for bad in [&b""[..], b".5", b"1.x", b"--1", b"99999999999999999999"] {
            assert_eq!(time(bad), None);
        }
    }

    #[test]
    fn global_headers_may_comment_only() {
        assert!(check_global(&record("comment", b"0123abcd")).is_ok());
        for key in ["path", "linkpath", "size", "GNU.sparse.name"] {
            assert!(check_global(&record(key, b"1")).is_err(), "{key}");
        }
    }
}
