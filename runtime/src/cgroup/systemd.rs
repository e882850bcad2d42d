//! Control groups that systemd makes: a transient scope for each container, asked for over D-Bus; systemd.scope(5),
//! org.freedesktop.systemd1(5).
//!
//! systemd puts back what it knows of when it looks after its units, so limits are told to it as properties of the scope;
//! they are written to the group as well, because systemd rounds some and does not know others. The group is delegated
//! to us: nothing but these limits is systemd's.

mod bus;
mod properties;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{CgroupPlan, Layout, Write};
use crate::plan::PlanError;
use bus::{Bus, Value};

pub use bus::BusError;

/// Where scopes are made if none is named.
const SLICE: &str = "system.slice";

/// How long systemd may take to make or end a scope.
const JOB_LIMIT: Duration = Duration::from_secs(30);

/// How long the scope of the container's last run may take to go.
const LEFT_LIMIT: Duration = Duration::from_secs(5);

/// Pause between two tries.
const LEFT_PAUSE: Duration = Duration::from_millis(20);

/// systemd's own limit of a unit's name, in bytes; systemd.unit(5).
const NAME_MAX: usize = 255;

/// A scope, and the slice that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// `jocker-<id>.scope`
    pub name: String,
    /// `system.slice`
    pub slice: String,
}

impl Unit {
    /// Reads a `cgroupsPath` of the form `slice:prefix:name`; `None` if it is a path.
    pub(super) fn parse(text: &str) -> Option<Result<Self, PlanError>> {
        if text.contains('/') {
            return None;
        }
        let mut parts = text.split(':');
        let (slice, prefix, name) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let slice = if slice.is_empty() { SLICE } else { slice };
        let unit = match prefix {
            "" => format!("{name}.scope"),
            prefix => format!("{prefix}-{name}.scope"),
        };
        let refuse = |why: &str| {
            let why = format!("{text:?}: {why}");
            Some(Err(PlanError::Invalid { path: "linux.cgroupsPath".to_owned(), why }))
        };
        if name.is_empty() || unit.len() > NAME_MAX || !unit.bytes().all(is_unit_byte) {
            return refuse("not the name of a unit");
        }
        if slice_path(slice).is_none() {
            return refuse("not the name of a slice");
        }
        Some(Ok(Self { name: unit, slice: slice.to_owned() }))
    }

    /// The group below the root of every hierarchy.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", slice_path(&self.slice).unwrap_or_default(), self.name)
    }

    /// Has systemd make the scope, with the process in it. `empty` says whether one that is there already has no
    /// processes: that is left of the container's last run, and goes.
    pub(super) fn start(
        &self,
        pid: i32,
        plan: &CgroupPlan,
        layout: &Layout,
        empty: impl Fn() -> bool,
    ) -> Result<(), BusError> {
        let mut settings = vec![
            ("Description".to_owned(), Value::Text(format!("container {}", self.name))),
            ("Slice".to_owned(), Value::Text(self.slice.clone())),
            ("PIDs".to_owned(), Value::Pids(vec![pid.cast_unsigned()])),
            ("Delegate".to_owned(), Value::Flag(true)),
            ("DefaultDependencies".to_owned(), Value::Flag(false)),
            ("CollectMode".to_owned(), Value::Text("inactive-or-failed".to_owned())),
        ];
        for controller in ["CPU", "Memory", "Tasks", io_accounting(layout)] {
            settings.push((format!("{controller}Accounting"), Value::Flag(true)));
        }
        settings.extend(properties::of_limits(&plan.limits));
        if let Layout::V1 { .. } = layout {
            // On version 1 systemd writes the device rules anew whenever it likes; on version 2 ours stand beside.
            settings.extend(properties::of_devices(&plan.devices));
        }
        let mut bus = Bus::connect()?;
        let give_up = Instant::now() + LEFT_LIMIT;
        loop {
            match bus.start_transient(&self.name, &settings, JOB_LIMIT) {
                Err(error) if error.is_unit_exists() && Instant::now() < give_up => {
                    if empty() {
                        bus.stop(&self.name, JOB_LIMIT)?;
                    }
                    // Stopped units are collected a little later.
                    thread::sleep(LEFT_PAUSE);
                }
                done => return done,
            }
        }
    }

    /// Has systemd let go of the scope. It does so by itself only when it sees the group without processes, which it
    /// does not if the group is removed before it has looked.
    pub(super) fn end(&self) -> Result<(), BusError> {
        Bus::connect()?.stop(&self.name, JOB_LIMIT)
    }

    /// Tells systemd of other limits.
    pub(super) fn set(&self, limits: &[Write]) -> Result<(), BusError> {
        let settings = properties::of_limits(limits);
        if settings.is_empty() {
            return Ok(());
        }
        Bus::connect()?.set_properties(&self.name, &settings)
    }
}

/// Whether systemd is the host's init; sd_booted(3).
pub fn is_booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Whether `slice` is the name of a slice.
pub fn is_slice(slice: &str) -> bool {
    slice_path(slice).is_some()
}

fn io_accounting(layout: &Layout) -> &'static str {
    match layout {
        Layout::V1 { .. } => "BlockIO",
        Layout::V2 { .. } => "IO",
    }
}

/// Letters of unit names; systemd.unit(5).
fn is_unit_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte)
}

/// The path of a slice: each dash is one level, `a-b.slice` is `/a.slice/a-b.slice`; systemd.slice(5).
fn slice_path(slice: &str) -> Option<String> {
    let stem = slice.strip_suffix(".slice")?;
    if stem == "-" {
        return Some(String::new());
    }
    let fine = stem.bytes().all(|byte| is_unit_byte(byte) && byte != b':');
    if !fine || stem.split('-').any(str::is_empty) || slice.len() > NAME_MAX {
        return None;
    }
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    Some(ends.map(|end| format!("/{}.slice", &stem[..end])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let unit = Unit::parse("system.slice:jocker:abc").unwrap().unwrap();
        assert_eq!((unit.name.as_str(), unit.slice.as_str()), ("jocker-abc.scope", "system.slice"));
        assert_eq!(unit.path(), "/system.slice/jocker-abc.scope");
        let unit = Unit::parse("a-b-c.slice::abc").unwrap().unwrap();
        assert_eq!(unit.path(), "/a.slice/a-b.slice/a-b-c.slice/abc.scope");
        assert_eq!(Unit::parse(":p:n").unwrap().unwrap().path(), "/system.slice/p-n.scope");
        assert_eq!(Unit::parse("-.slice:p:n").unwrap().unwrap().path(), "/p-n.scope");
    }

    #[test]
    fn what_is_no_unit() {
        for path in ["/a/b", "a", "a:b", "a:b:c:d", "a/b:c:d"] {
            assert!(Unit::parse(path).is_none(), "{path}");
        }
        for bad in [
            "a:b:c",
            "-a.slice:b:c",
            "a--b.slice:b:c",
            "a.slice:b:",
            "a.slice:b c:d",
            "..slice:b:\u{e9}",
        ] {
            assert!(Unit::parse(bad).unwrap().is_err(), "{bad}");
        }
    }
}
