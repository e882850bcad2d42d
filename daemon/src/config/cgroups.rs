//! `--exec-opt native.cgroupdriver=…` and `--cgroup-parent`.

use runtime::cgroup::systemd;

use super::{CgroupDriver, Cgroups, ConfigError};

const DRIVER: &str = "native.cgroupdriver";
/// Below the root of each hierarchy.
const DEFAULT_PATH: &str = "/jocker";
const DEFAULT_SLICE: &str = "system.slice";

/// Reads the options and checks that the parent is one of the driver's kind.
pub(super) fn read(options: &[String], parent: Option<String>) -> Result<Cgroups, ConfigError> {
    let mut driver = CgroupDriver::default();
    for option in options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        driver = match (key, value) {
            (DRIVER, "" | "cgroupfs") => CgroupDriver::Cgroupfs,
            (DRIVER, "systemd") => CgroupDriver::Systemd,
            (DRIVER, other) => {
                let why = format!("native.cgroupdriver option {other} not supported");
                return Err(ConfigError::Invalid(why));
            }
            (other, _) => {
                return Err(ConfigError::Invalid(format!("unknown exec option: {other}")));
            }
        };
    }
    let parent = parent.filter(|parent| !parent.is_empty()).unwrap_or_else(|| {
        match driver {
            CgroupDriver::Cgroupfs => DEFAULT_PATH,
            CgroupDriver::Systemd => DEFAULT_SLICE,
        }
        .to_owned()
    });
    check_parent(driver, &parent).map_err(ConfigError::Invalid)?;
    Ok(Cgroups { driver, parent })
}

/// Refuses a parent of control groups that is none of the driver's kind.
pub(crate) fn check_parent(driver: CgroupDriver, parent: &str) -> Result<(), String> {
    if driver == CgroupDriver::Systemd && !systemd::is_slice(parent) {
        let why = "cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"";
        return Err(why.to_owned());
    }
    if parent.split('/').any(|part| part == "..") {
        return Err(format!("invalid cgroup parent {parent:?}: it has `..`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_and_parents() {
        let read = |option: &str, parent: Option<&str>| {
            let options = if option.is_empty() { vec![] } else { vec![option.to_owned()] };
            read(&options, parent.map(str::to_owned))
        };
        let cgroups = read("", None).unwrap();
        assert_eq!((cgroups.driver, cgroups.parent.as_str()), (CgroupDriver::Cgroupfs, "/jocker"));
        let cgroups = read("native.cgroupdriver=systemd", None).unwrap();
        assert_eq!((cgroups.driver.name(), cgroups.parent.as_str()), ("systemd", "system.slice"));
        assert!(read("native.cgroupdriver=systemd", Some("/mine")).is_err());
        assert!(read("native.cgroupdriver=systemd", Some("mine.slice")).is_ok());
        for bad in ["native.cgroupdriver=x", "native.umask=normal", "x"] {
            assert!(read(bad, None).is_err(), "{bad}");
        }
        assert!(read("", Some("/a/../b")).is_err());
    }
}
