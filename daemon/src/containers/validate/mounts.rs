//! Binds, tmpfs and mounts.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use api_spec::container::{HostConfig, Mount};

use super::{Error, invalid};
use crate::spec::{parse_bind, parse_tmpfs};

pub(super) fn check(host_config: &HostConfig) -> Result<(), Error> {
    let mut targets = BTreeSet::new();
    let mut take = |target: &str| match targets.insert(target.to_owned()) {
        true => Ok(()),
        false => Err(Error::Invalid(format!("Duplicate mount point: {target}"))),
    };
    for text in host_config.binds.iter().flatten() {
        let bind = parse_bind(text).map_err(Error::Invalid)?;
        take(&bind.target)?;
    }
    for mount in host_config.mounts.iter().flatten() {
        one(mount)?;
        take(&mount.target)?;
    }
    for (target, options) in host_config.tmpfs.iter().flatten() {
        if !target.starts_with('/') {
            return invalid(format!("invalid mount path: '{target}' mount path must be absolute"));
        }
        parse_tmpfs(options).map_err(Error::Invalid)?;
        take(target)?;
    }
    Ok(())
}

fn one(mount: &Mount) -> Result<(), Error> {
    let kind = &mount.r#type;
    let why = |text: &str| invalid(format!("invalid mount config for type {kind:?}: {text}"));
    let absolute = |path: &str| format!("invalid mount path: '{path}' mount path must be absolute");
    let beside =
        |field: &str| invalid(format!("{field} must not be specified on mount type {kind:?}"));
    if !matches!(kind.as_str(), "bind" | "volume" | "tmpfs" | "image") {
        return why("mount type unknown");
    }
    if mount.target.is_empty() {
        return why("field Target must not be empty");
    }
    if !mount.target.starts_with('/') {
        return why(&absolute(&mount.target));
    }
    if mount.target.trim_matches('/').is_empty() {
        return why("invalid specification: destination can't be '/'");
    }
    match kind.as_str() {
        "bind" if mount.source.is_empty() => why("field Source must not be empty"),
        "bind" if !mount.source.starts_with('/') => why(&absolute(&mount.source)),
        "bind" if mount.volume_options.is_some() => beside("VolumeOptions"),
        "bind" if mount.tmpfs_options.is_some() => beside("TmpfsOptions"),
        "bind" if mount.image_options.is_some() => beside("ImageOptions"),
        "bind" => bind(mount),
        "volume" => volume(mount),
        "tmpfs" if !mount.source.is_empty() => why("field Source must not be specified"),
        "tmpfs" if mount.bind_options.is_some() => why("field BindOptions must not be specified"),
        "image" if mount.source.is_empty() => why("field Source must not be empty"),
        "image" if mount.bind_options.is_some() => beside("BindOptions"),
        "image" if mount.volume_options.is_some() => beside("VolumeOptions"),
        "image" if mount.tmpfs_options.is_some() => beside("TmpfsOptions"),
        "image" => {
            let subpath = mount.image_options.as_ref().map_or("", |it| it.subpath.as_str());
            match stays_below(subpath) {
                true => Ok(()),
                false => why("subpath must be a relative path within the image"),
            }
        }
        _ => Ok(()),
    }
}

fn volume(mount: &Mount) -> Result<(), Error> {
    let why = |text: &str| invalid(format!("invalid mount config for type \"volume\": {text}"));
    let beside =
        |field: &str| invalid(format!("{field} must not be specified on mount type \"volume\""));
    if mount.bind_options.is_some() {
        return beside("BindOptions");
    }
    if mount.tmpfs_options.is_some() {
        return beside("TmpfsOptions");
    }
    if mount.image_options.is_some() {
        return beside("ImageOptions");
    }
    let subpath = mount.volume_options.as_ref().map_or("", |options| options.subpath.as_str());
    if !mount.source.is_empty() {
        return match stays_below(subpath) {
            true => Ok(()),
            false => why("subpath must be a relative path within the volume"),
        };
    }
    if mount.read_only {
        return why("must not set ReadOnly mode when using anonymous volumes");
    }
    match subpath.is_empty() {
        true => Ok(()),
        false => why("must not set Subpath when using anonymous volumes"),
    }
}

/// Whether a path is relative and, by its names alone, never above where it begins.
fn stays_below(path: &str) -> bool {
    let mut depth: usize = 0;
    Path::new(path).components().all(|component| match component {
        Component::Normal(_) => {
            depth += 1;
            true
        }
        Component::CurDir => true,
        Component::ParentDir => {
            let below = depth > 0;
            depth = depth.saturating_sub(1);
            below
        }
        Component::RootDir | Component::Prefix(_) => false,
    })
}

fn bind(mount: &Mount) -> Result<(), Error> {
    let options = mount.bind_options.clone().unwrap_or_default();
    let known = ["", "private", "rprivate", "shared", "rshared", "slave", "rslave"];
    if !known.contains(&options.propagation.as_str()) {
        return invalid(format!(
            "invalid mount config for type \"bind\": invalid propagation mode: {}",
            options.propagation
        ));
    }
    if options.read_only_force_recursive && !mount.read_only {
        return invalid("mount must be set to read-only when setting ReadOnlyForceRecursive");
    }
    if !options.create_mountpoint && !Path::new(&mount.source).exists() {
        return invalid(format!(
            "invalid mount config for type \"bind\": bind source path does not exist: {}",
            mount.source
        ));
    }
    Ok(())
}
