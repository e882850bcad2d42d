//! A bundle on disk: its config.json read, checked and compiled.

use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use serde_json::value::RawValue;

use super::Globals;
use super::arguments::Parsed;
use super::error::CommandError;
use super::place;
use crate::cgroup::{DeviceClass, DeviceRule, systemd};
use crate::plan::{self, Extras, Host, Plan, PlanError};

/// Longest config.json, in bytes.
const CONFIG_MAX: u64 = 16 << 20;

/// Parent of the control groups of containers whose spec names none.
const CGROUP_PARENT: &str = "/jocker-runtime";

/// Nodes that every container may use: major and minor; config-linux.md "Default Devices". The
/// last two are terminals.
const USABLE: [(u32, Option<u32>); 8] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(2)),
    (136, None),
];

/// A bundle and what it asks for.
#[derive(Debug)]
pub(super) struct Bundle {
    /// Absolute.
    pub(super) path: PathBuf,
    pub(super) config: Box<RawValue>,
    pub(super) spec: Spec,
    pub(super) plan: Plan,
}

impl Bundle {
    /// Reads the bundle that the flags name, for the container `id`. The working directory becomes
    /// the bundle.
    pub(super) fn load(
        globals: &Globals,
        parsed: &Parsed,
        id: &str,
        host: &Host,
    ) -> Result<Self, CommandError> {
        if globals.systemd_cgroup && !systemd::is_booted() {
            let why = "systemd cgroup flag passed, but systemd is not this host's init";
            return Err(CommandError::Usage(why.to_owned()));
        }
        let config = parsed.value("config").unwrap_or("config.json");
        let config = std::path::absolute(config).map_err(CommandError::io("current directory"))?;
        let path = Path::new(parsed.value("bundle").unwrap_or("."));
        let path = fs::canonicalize(path).map_err(CommandError::io(format!("bundle {path:?}")))?;
        std::env::set_current_dir(&path).map_err(CommandError::io(format!("chdir {path:?}")))?;
        let file = if parsed.value("config").is_some() { config } else { path.join("config.json") };
        let (config, spec) = read(&file)?;
        let failed = |source| CommandError::Plan { path: file.clone(), source };
        let plan = compile(&spec, &path, id, globals.systemd_cgroup, host).map_err(failed)?;
        Ok(Self { path, config, spec, plan })
    }
}

/// Reads a config.json.
fn read(path: &Path) -> Result<(Box<RawValue>, Spec), CommandError> {
    let failed = |what: String| CommandError::Config { path: path.to_owned(), what };
    let length = fs::metadata(path).map_err(CommandError::io(format!("open {path:?}")))?.len();
    if length > CONFIG_MAX {
        return Err(failed(format!("longer than {CONFIG_MAX} bytes")));
    }
    let text = fs::read_to_string(path).map_err(CommandError::io(format!("read {path:?}")))?;
    let config: Box<RawValue> =
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    Ok((config, parse(&text).map_err(failed)?))
}

/// Reads a document of the spec; an error names the JSON path of the field.
pub(super) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("{}: {error}", place::path_of(text, &error)))
}

fn compile(
    spec: &Spec,
    bundle: &Path,
    id: &str,
    systemd_cgroup: bool,
    host: &Host,
) -> Result<Plan, PlanError> {
    let version = spec.version();
    if version.split('.').next() != Some("1") {
        let why = format!("{version:?} is not a version 1 of the spec");
        return Err(PlanError::Invalid { path: "ociVersion".to_owned(), why });
    }
    let mut spec = spec.clone();
    if let Some(linux) = spec.linux_mut()
        && linux.cgroups_path().as_ref().is_none_or(|path| path.as_os_str().is_empty())
    {
        linux.set_cgroups_path(Some(match systemd_cgroup {
            true => format!(":{}:{id}", CGROUP_PARENT.trim_start_matches('/')).into(),
            false => Path::new(CGROUP_PARENT).join(id),
        }));
    }
    // Sources of binds may be relative to the bundle.
    for mount in spec.mounts_mut().iter_mut().flatten() {
        let is_bind = mount.typ().as_deref() == Some("bind")
            || mount.options().iter().flatten().any(|option| option == "bind" || option == "rbind");
        if let Some(source) = mount.source().as_ref().filter(|_| is_bind) {
            let source = bundle.join(source);
            mount.set_source(Some(source));
        }
    }
    let mut plan = plan::compile(&spec, &Extras { make_cwd: true, ..Extras::default() }, host)?;
    if plan.cgroup.unit.is_some() != systemd_cgroup {
        let form = match systemd_cgroup {
            true => "is not of the form slice:prefix:name, which systemd's groups have",
            false => "of the form slice:prefix:name needs --systemd-cgroup",
        };
        let given = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().clone());
        let why = format!("{:?} {form}", given.unwrap_or_default());
        return Err(PlanError::Invalid { path: "linux.cgroupsPath".to_owned(), why });
    }
    let root = plan.root.path.take().ok_or(PlanError::Missing { path: "root.path".to_owned() })?;
    let root = bundle.join(root);
    let root = fs::canonicalize(&root).map_err(|error| PlanError::Invalid {
        path: "root.path".to_owned(),
        why: format!("{}: {error}", root.display()),
    })?;
    plan.root.path = Some(root);
    default_devices(&mut plan.cgroup.devices);
    Ok(plan)
}

/// Nothing is allowed but what the spec allows and what every container may use.
fn default_devices(rules: &mut Vec<DeviceRule>) {
    let rule = |allow, kind, major, minor, access| DeviceRule {
        allow,
        kind,
        major,
        minor,
        read: access,
        write: access,
        mknod: true,
    };
    if rules.iter().rfind(|rule| rule.kind == DeviceClass::All).is_some_and(|rule| rule.allow) {
        return;
    }
    if !rules.first().is_some_and(|rule| rule.kind == DeviceClass::All) {
        rules.insert(0, rule(false, DeviceClass::All, None, None, true));
    }
    // To make a node is not to use it.
    rules.push(rule(true, DeviceClass::Character, None, None, false));
    rules.push(rule(true, DeviceClass::Block, None, None, false));
    rules.extend(
        USABLE.map(|(major, minor)| rule(true, DeviceClass::Character, Some(major), minor, true)),
    );
}
