//! Names in an archive: cleaned, checked against the limits, and read as whiteouts. Pure.

use super::limits::Limits;

const WHITEOUT: &[u8] = b".wh.";
/// Marks of the aufs file system itself.
const WHITEOUT_META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Why a path cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No name at all.
    #[error("empty path")]
    Empty,
    /// `..` above the root.
    #[error("path leaves the root")]
    Escapes,
    /// A zero byte inside.
    #[error("path contains a zero byte")]
    Zero,
    /// Longer than a path may be.
    #[error("path is longer than {0} bytes")]
    TooLong(usize),
    /// More names than a path may have.
    #[error("path is deeper than {0} names")]
    TooDeep(usize),
    /// A longer name than a file may have.
    #[error("name is longer than {0} bytes")]
    LongName(usize),
    /// A whiteout of nothing, of `.` or of `..`.
    #[error("whiteout of no file")]
    Whiteout,
}

/// A path below the root: names joined by `/`, none of them empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CleanPath(Vec<u8>);

impl CleanPath {
    /// Reads a path of an archive. Leading slashes and `.` mean nothing; `a/..` is taken out, as
    /// Docker's tools do before they look at the disk; `..` above the root is an error.
    pub(crate) fn new(path: &[u8], limits: &Limits) -> Result<Self, PathError> {
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        if path.contains(&0) {
            return Err(PathError::Zero);
        }
        if path.len() > limits.path_bytes {
            return Err(PathError::TooLong(limits.path_bytes));
        }
        let mut names = Vec::new();
        for name in path.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => drop(names.pop().ok_or(PathError::Escapes)?),
                name if name.len() > limits.name_bytes => {
                    return Err(PathError::LongName(limits.name_bytes));
                }
                name => names.push(name),
            }
            if names.len() > limits.path_depth {
                return Err(PathError::TooDeep(limits.path_depth));
            }
        }
        Ok(Self(names.join(&b'/')))
    }

    /// A directory's path below the root, of both as the kernel names them.
    pub(crate) fn relative(directory: &[u8], root: &[u8]) -> Option<Self> {
        match directory.strip_prefix(root)? {
            b"" => Some(Self(Vec::new())),
            rest => rest.strip_prefix(b"/").map(|path| Self(path.to_vec())),
        }
    }

    /// `other`, a path below this one.
    pub(crate) fn append(&self, other: &Self) -> Self {
        if other.is_root() { self.clone() } else { self.join(&other.0) }
    }

    pub(crate) fn join(&self, name: &[u8]) -> Self {
        let above: &[u8] = if self.is_root() { b"" } else { b"/" };
        Self([&self.0, above, name].concat())
    }

    /// The names, the topmost directory's first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Parent and name; None for the root.
    pub(crate) fn split(&self) -> Option<(CleanPath, &[u8])> {
        if self.is_root() {
            return None;
        }
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => Some((Self(self.0[..slash].to_vec()), &self.0[slash + 1..])),
            None => Some((Self(Vec::new()), &self.0)),
        }
    }

    /// Whether this is `other` or lies below it.
    pub(crate) fn is_below(&self, other: &CleanPath) -> bool {
        other.is_root()
            || self
                .0
                .strip_prefix(other.0.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

/// What a name means in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning<'a> {
    /// An entry of its own.
    Entry,
    /// This name of the layers below is not to be seen.
    Whiteout(&'a [u8]),
    /// Nothing of this directory in the layers below is to be seen.
    Opaque,
    /// Bookkeeping of aufs: to be left out.
    Ignored,
}

/// Reads a name. Source: OCI image spec, layer.md, "Whiteouts".
pub(crate) fn meaning(name: &[u8]) -> Result<Meaning<'_>, PathError> {
    if name == OPAQUE {
        return Ok(Meaning::Opaque);
    }
    if name.starts_with(WHITEOUT_META) {
        return Ok(Meaning::Ignored);
    }
    match name.strip_prefix(WHITEOUT) {
        None => Ok(Meaning::Entry),
        Some(b"" | b"." | b"..") => Err(PathError::Whiteout),
        Some(name) => Ok(Meaning::Whiteout(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(path: &str) -> Result<String, PathError> {
        CleanPath::new(path.as_bytes(), &Limits::default())
            .map(|path| String::from_utf8(path.0).expect("utf-8"))
    }

    #[test]
    fn paths_stay_below_the_root() {
        assert_eq!(clean("/etc//./passwd/").as_deref(), Ok("etc/passwd"));
        assert_eq!(clean("a/../b").as_deref(), Ok("b"));
        assert_eq!(clean("./").as_deref(), Ok(""));
        assert_eq!(clean("../x"), Err(PathError::Escapes));
        assert_eq!(clean("a/../../x"), Err(PathError::Escapes));
        assert_eq!(clean("/.."), Err(PathError::Escapes));
        assert_eq!(clean(""), Err(PathError::Empty));
        assert_eq!(clean("a\0b"), Err(PathError::Zero));
    }

    #[test]
    fn paths_are_put_together_and_taken_apart() {
        let root = CleanPath::relative(b"/store/diff", b"/store/diff").expect("the root");
        assert!(root.is_root() && root.names().next().is_none());
        let path = CleanPath::relative(b"/store/diff/a/b", b"/store/diff").expect("below");
        assert_eq!(root.join(b"a").join(b"b"), path);
        assert_eq!(path.names().collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(CleanPath::relative(b"/store/different", b"/store/diff"), None);
    }

    #[test]
    fn limits_are_named() {
        assert_eq!(clean(&"a".repeat(256)), Err(PathError::LongName(255)));
        assert_eq!(clean(&"a/".repeat(1025)), Err(PathError::TooDeep(1024)));
        assert_eq!(clean(&"a/".repeat(50_000)), Err(PathError::TooLong(4095)));
    }

    #[test]
    fn whiteouts_name_files() {
        assert_eq!(meaning(b"x.wh.y"), Ok(Meaning::Entry));
        assert_eq!(meaning(b".wh.x"), Ok(Meaning::Whiteout(b"x")));
        assert_eq!(meaning(b".wh..x"), Ok(Meaning::Whiteout(b".x")));
        assert_eq!(meaning(b".wh..wh..opq"), Ok(Meaning::Opaque));
        assert_eq!(meaning(b".wh..wh.plnk"), Ok(Meaning::Ignored));
        for bad in [&b".wh."[..], b".wh..", b".wh..."] {
            assert_eq!(meaning(bad), Err(PathError::Whiteout));
        }
    }

    #[test]
    fn below_is_by_whole_names() {
        let path = |text: &str| CleanPath::new(text.as_bytes(), &Limits::default()).expect("path");
        assert!(path("a/b").is_below(&path("a")));
        assert!(path("a").is_below(&path("a")));
        assert!(!path("ab").is_below(&path("a")));
        assert!(path("a").is_below(&path("/")));
    }
}
