//! Options of the local driver, `type`, `o` and `device`: what they ask to be mounted. Pure.

use std::path::PathBuf;

use super::{Error, Filesystem, Texts, Volume};
use crate::size;

const KNOWN: [&str; 4] = ["device", "o", "size", "type"];
/// What has to be there beside a given option.
const NEEDS: [(&str, &[&str]); 3] =
    [("device", &["type"]), ("o", &["device", "type"]), ("type", &["device"])];
/// Flags of a bind beside `bind` itself; mount(8).
const BIND_FLAGS: [&str; 18] = [
    "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "atime", "noatime", "relatime",
    "private", "rprivate", "slave", "rslave", "shared", "rshared", "defaults",
];

/// What a container gets when a volume is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// The volume's own directory.
    Own,
    /// A directory of the host.
    Bind { device: PathBuf, options: Vec<String> },
    /// A file system, mounted on the volume's directory.
    Filesystem(Filesystem),
}

impl Volume {
    /// What its options ask for. They were checked when it was made.
    pub(crate) fn what(&self) -> What {
        what(self.options.as_ref()).unwrap_or(What::Own)
    }
}

/// Refuses options that are wrong, and those that this daemon does not have.
/// Answers how many bytes the volume may hold, if that is limited.
pub(super) fn check(
    name: &str,
    options: Option<&Texts>,
    has_quotas: bool,
) -> Result<Option<u64>, Error> {
    let Some(options) = options else { return Ok(None) };
    let invalid = |what: String| Err(Error::Invalid(format!("create {name}: {what}")));
    if let Some(unknown) = options.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return invalid(format!("invalid option: {unknown:?}"));
    }
    for (_, needed) in NEEDS.iter().filter(|(option, _)| options.contains_key(*option)) {
        if let Some(missing) = needed.iter().find(|needed| !options.contains_key(**needed)) {
            return invalid(format!("missing required option: {missing:?}"));
        }
    }
    let limit =
        match options.get("size").filter(|size| !size.is_empty()).map(|size| size::parse(size)) {
            Some(Err(error)) => return invalid(error),
            Some(Ok(1..)) if !has_quotas => {
                return invalid("quota size requested but no quota support".to_owned());
            }
            Some(Ok(bytes)) => Some(bytes).filter(|bytes| *bytes > 0),
            None => None,
        };
    match what(Some(options)) {
        Ok(_) => Ok(limit),
        Err(what) => Err(Error::Unsupported { name: name.to_owned(), what }),
    }
}

fn what(options: Option<&Texts>) -> Result<What, String> {
    let get = |key: &str| options.and_then(|options| options.get(key)).map_or("", String::as_str);
    let (kind, device) = (get("type"), get("device"));
    let flags: Vec<&str> = get("o").split(',').filter(|flag| !flag.is_empty()).collect();
    if kind.is_empty() && device.is_empty() {
        return Ok(What::Own);
    }
    if flags.iter().any(|flag| matches!(*flag, "bind" | "rbind")) {
        let known =
            |flag: &&&str| !matches!(**flag, "bind" | "rbind") && !BIND_FLAGS.contains(flag);
        if let Some(flag) = flags.iter().find(known) {
            return Err(format!("option {flag:?} of a bind is not supported"));
        }
        if !device.starts_with('/') {
            return Err(format!("device {device:?} of a bind must be an absolute path"));
        }
        return Ok(What::Bind {
            device: PathBuf::from(device),
            options: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        });
    }
    Ok(What::Filesystem(Filesystem {
        kind: kind.to_owned(),
        device: device.to_owned(),
        options: get("o").to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(options: &[(&str, &str)]) -> Result<What, String> {
        let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let options: Texts = options.iter().map(text).collect();
        check("v", Some(&options), false).map_err(|error| error.to_string())?;
        what(Some(&options))
    }

    #[test]
    fn kinds_of_volumes() {
        assert_eq!(checked(&[]), Ok(What::Own));
        let tmpfs = checked(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,uid=7")]);
        let filesystem = |kind: &str, device: &str, options: &str| {
            let text = str::to_owned;
            Filesystem { kind: text(kind), device: text(device), options: text(options) }
        };
        assert_eq!(tmpfs, Ok(What::Filesystem(filesystem("tmpfs", "tmpfs", "size=1m,uid=7"))));
        let nfs = checked(&[("type", "nfs"), ("device", ":/x"), ("o", "addr=h")]);
        assert_eq!(nfs, Ok(What::Filesystem(filesystem("nfs", ":/x", "addr=h"))));
        let bind = checked(&[("type", "none"), ("device", "/srv"), ("o", "bind,ro")]);
        let options = vec!["bind".to_owned(), "ro".to_owned()];
        assert_eq!(bind, Ok(What::Bind { device: "/srv".into(), options }));
    }

    #[test]
    fn wrong_options_are_named() {
        for (options, text) in [
            (&[("bogus", "x")][..], "invalid option: \"bogus\""),
            (&[("type", "tmpfs")], "missing required option: \"device\""),
            (&[("device", "/x")], "missing required option: \"type\""),
            (&[("o", "")], "missing required option: \"device\""),
            (&[("type", "none"), ("device", "x"), ("o", "bind")], "absolute"),
            (&[("type", "none"), ("device", "/x"), ("o", "bind,user")], "\"user\""),
            (&[("size", "1g")], "quota size requested but no quota support"),
            (&[("size", "x")], "invalid size: 'x'"),
        ] {
            let error = checked(options).unwrap_err();
            assert!(error.starts_with("create v: ") && error.contains(text), "{error}");
        }
    }
}
