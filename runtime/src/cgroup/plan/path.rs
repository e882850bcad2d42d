//! The path of a container's groups below the root of the hierarchies.

use crate::plan::PlanError;

/// Longest path that is taken, in bytes.
const PATH_MAX: usize = 1024;

/// An absolute path with single slashes; what would leave the root is refused.
pub(super) fn normalise(path: &str) -> Result<String, PlanError> {
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
    if !path.contains('/') && path.matches(':').count() == 2 {
        return Err(PlanError::Unsupported {
            path: "linux.cgroupsPath".to_owned(),
            what: "groups made by systemd (slice:prefix:name)".to_owned(),
        });
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
    use super::normalise;

    #[test]
    fn paths() {
        assert_eq!(normalise("/jocker/abc").unwrap(), "/jocker/abc");
        assert_eq!(normalise("jocker//./abc/").unwrap(), "/jocker/abc");
        for bad in ["", "/", "../x", "/a/../../b", "/a/..", "a\nb", "system.slice:docker:x"] {
            assert!(normalise(bad).is_err(), "{bad:?}");
        }
    }
}
