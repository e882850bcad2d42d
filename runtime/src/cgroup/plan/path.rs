//! Where a container's groups are, below the root of the hierarchies.

use crate::cgroup::systemd::Unit;
use crate::plan::PlanError;

/// Longest path that is taken, in bytes.
const PATH_MAX: usize = 1024;

/// Path of the groups, and the unit of systemd that has them, if `path` names one as `slice:prefix:name`.
pub(in crate::cgroup) fn locate(path: &str) -> Result<(String, Option<Unit>), PlanError> {
    match Unit::parse(path) {
        Some(unit) => unit.map(|unit| (unit.path(), Some(unit))),
        None => Ok((normalise(path)?, None)),
    }
}

/// An absolute path with single slashes; what would leave the root is refused.
fn normalise(path: &str) -> Result<String, PlanError> {
    let refuse = |why: &str| {
        Err(PlanError::Invalid {
            path: "linux.cgroupsPath".to_owned(),
            why: format!("{path:?} {why}"),
        })
    };
    if path.len() > PATH_MAX {
        return refuse("is too long");
    }
    if path.contains(['\0', '\n']) {
        return refuse("has a control character");
    }
    let mut plain = String::with_capacity(path.len() + 1);
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            return refuse("has `..`");
        }
        plain.push('/');
        plain.push_str(part);
    }
    if plain.is_empty() {
        return refuse("is the root of the hierarchies");
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::{locate, normalise};

    #[test]
    fn paths() {
        assert_eq!(normalise("/jocker/abc").unwrap(), "/jocker/abc");
        assert_eq!(normalise("jocker//./abc/").unwrap(), "/jocker/abc");
        for bad in ["", "/", "../x", "/a/../../b", "/a/..", "a\nb"] {
            assert!(normalise(bad).is_err(), "{bad:?}");
        }
        let (path, unit) = locate("a.slice:b:c").unwrap();
        assert_eq!((path.as_str(), unit.is_some()), ("/a.slice/b-c.scope", true));
        assert!(locate("a:b:c").is_err());
    }
}
