//! From an OCI spec's resources to writes: pure, for either version. What the host's layout can not
//! do is refused here, by the field's name.

mod convert;
pub(super) mod path;
mod v1;
mod v2;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType, LinuxResources};

use super::{CgroupPlan, DeviceClass, DeviceRule, Layout, Write};
use crate::plan::PlanError;

/// Makes the plan of one container's control groups.
///
/// `path` is the spec's `cgroupsPath`; a relative one is taken from the root of the hierarchies.
/// `slice:prefix:name` is a scope of systemd. A path with `..` is refused.
pub fn plan(
    resources: &LinuxResources,
    path: &str,
    layout: &Layout,
) -> Result<CgroupPlan, PlanError> {
    let limits = match layout {
        Layout::V1 { .. } => v1::limits(resources, layout)?,
        Layout::V2 { .. } => v2::limits(resources, layout)?,
    };
    let devices = resources.devices().iter().flatten().map(device).collect::<Result<_, _>>()?;
    let (path, unit) = path::locate(path)?;
    Ok(CgroupPlan { path, unit, limits, devices })
}

/// Collects writes, and refuses those for which the host has no controller.
struct Writes<'a> {
    layout: &'a Layout,
    writes: Vec<Write>,
}

impl Writes<'_> {
    /// One value for one file; `field` is the JSON path that asks for it.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts at many call sites")]
    fn push(
        &mut self,
        field: &str,
        controller: &str,
        file: impl Into<String>,
        value: impl ToString,
    ) -> Result<(), PlanError> {
        let there = self.layout.hierarchy(controller).is_some()
            || self.layout.unified_with(controller).is_some();
        if !there {
            return Err(PlanError::Unsupported {
                path: format!("linux.resources.{field}"),
                what: format!("the host has no {controller} controller"),
            });
        }
        self.writes.push(Write {
            controller: controller.to_owned(),
            file: file.into(),
            or_file: None,
            value: value.to_string(),
        });
        Ok(())
    }

    /// The same, if there is a value.
    fn push_some(
        &mut self,
        field: &str,
        controller: &str,
        file: &str,
        value: Option<impl ToString>,
    ) -> Result<(), PlanError> {
        value.map_or(Ok(()), |value| self.push(field, controller, file, value))
    }

    /// Names another file for the last write, for hosts that lack the first.
    fn or_file(&mut self, file: &str) {
        if let Some(last) = self.writes.last_mut() {
            last.or_file = Some(file.to_owned());
        }
    }
}

/// A value that has no meaning here.
fn invalid(field: &str, why: impl Into<String>) -> PlanError {
    PlanError::Invalid { path: format!("linux.resources.{field}"), why: why.into() }
}

/// What neither version can do, or not on this host.
fn unsupported(field: &str, what: &str) -> PlanError {
    PlanError::Unsupported { path: format!("linux.resources.{field}"), what: what.to_owned() }
}

/// A size of huge pages as it stands in file names: `2MB`.
fn page_size(text: &str) -> Result<&str, PlanError> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { Ok(text) } else { Err(invalid("hugepageLimits", format!("page size {text:?}"))) }
}

fn device(rule: &LinuxDeviceCgroup) -> Result<DeviceRule, PlanError> {
    let kind = match rule.typ().unwrap_or(LinuxDeviceType::A) {
        LinuxDeviceType::A => DeviceClass::All,
        LinuxDeviceType::B => DeviceClass::Block,
        LinuxDeviceType::C | LinuxDeviceType::U => DeviceClass::Character,
        LinuxDeviceType::P => return Err(invalid("devices", "a fifo needs no rule")),
    };
    let number = |number: Option<i64>| match number {
        None | Some(-1) => Ok(None),
        Some(number) => u32::try_from(number)
            .map(Some)
            .map_err(|_| invalid("devices", format!("device number {number}"))),
    };
    let access = rule.access().as_deref().unwrap_or("rwm");
    if access.chars().any(|letter| !"rwm".contains(letter)) {
        return Err(invalid("devices", format!("access {access:?}")));
    }
    let has = |letter| access.is_empty() || access.contains(letter);
    let rule = DeviceRule {
        allow: rule.allow(),
        kind,
        major: number(rule.major())?,
        minor: number(rule.minor())?,
        read: has('r'),
        write: has('w'),
        mknod: has('m'),
    };
    if kind == DeviceClass::All && (rule.major.is_some() || rule.minor.is_some()) {
        return Err(invalid("devices", "numbers without a type"));
    }
    Ok(rule)
}

#[cfg(test)]
mod tests;
