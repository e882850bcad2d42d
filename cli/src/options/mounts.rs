//! `--volume`, `--mount` and `--tmpfs`.

use std::path::Path;

use api_spec::container::{
    BindOptions, ContainerConfig, Empty, Mount, TmpfsOptions, VolumeOptions,
};

use super::OptionsError;
use crate::render::size;

/// `--volume`: a path alone is an anonymous volume, anything else a bind or a named volume.
pub(super) fn volumes(
    flags: &[String],
    config: &mut ContainerConfig,
) -> Result<Option<Vec<String>>, OptionsError> {
    let mut binds = Vec::new();
    for flag in flags {
        let Some((source, rest)) = flag.split_once(':') else {
            config.volumes.get_or_insert_default().insert(flag.clone(), Empty {});
            continue;
        };
        if source.is_empty() || rest.is_empty() {
            return Err(OptionsError::invalid("--volume", flag, "empty section between colons"));
        }
        binds.push(format!("{}:{rest}", absolute(source)?));
    }
    Ok((!binds.is_empty()).then_some(binds))
}

/// Paths that begin with a dot are meant from where the client runs.
fn absolute(source: &str) -> Result<String, OptionsError> {
    let relative =
        source == "." || source == ".." || source.starts_with("./") || source.starts_with("../");
    if !relative {
        return Ok(source.to_owned());
    }
    let path = std::path::absolute(Path::new(source)).map_err(|error| OptionsError::File {
        flag: "--volume",
        path: source.to_owned(),
        source: error,
    })?;
    Ok(path.to_string_lossy().into_owned())
}

/// `--mount type=bind,source=/a,target=/b,readonly`
pub(super) fn mount(flag: &str) -> Result<Mount, OptionsError> {
    let invalid = |reason| OptionsError::invalid("--mount", flag, reason);
    let mut mount = Mount { r#type: "volume".into(), ..Mount::default() };
    for field in flag.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        let holds = || match value {
            "" | "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(invalid("expected true or false")),
        };
        match key.trim().to_lowercase().as_str() {
            "type" => mount.r#type = value.to_lowercase(),
            "source" | "src" => mount.source = absolute(value)?,
            "target" | "dst" | "destination" => mount.target = value.into(),
            "readonly" | "ro" => mount.read_only = holds()?,
            "consistency" => mount.consistency = value.into(),
            "bind-propagation" => bind(&mut mount).propagation = value.into(),
            "bind-nonrecursive" => bind(&mut mount).non_recursive = holds()?,
            "bind-create-src" => bind(&mut mount).create_mountpoint = holds()?,
            "volume-nocopy" => volume(&mut mount).no_copy = holds()?,
            "volume-subpath" => volume(&mut mount).subpath = value.into(),
            "image-subpath" => {
                mount.image_options.get_or_insert_default().subpath = value.into();
            }
            "tmpfs-size" => {
                let bytes = size::parse(value).ok_or_else(|| invalid("tmpfs-size is no size"))?;
                tmpfs(&mut mount).size_bytes = bytes;
            }
            "tmpfs-mode" => {
                let mode = u32::from_str_radix(value, 8);
                tmpfs(&mut mount).mode =
                    mode.map_err(|_| invalid("tmpfs-mode is no octal number"))?;
            }
            _ => return Err(invalid("unexpected key")),
        }
    }
    if mount.target.is_empty() {
        return Err(invalid("target is required"));
    }
    Ok(mount)
}

fn bind(mount: &mut Mount) -> &mut BindOptions {
    mount.bind_options.get_or_insert_default()
}

fn volume(mount: &mut Mount) -> &mut VolumeOptions {
    mount.volume_options.get_or_insert_default()
}

fn tmpfs(mount: &mut Mount) -> &mut TmpfsOptions {
    mount.tmpfs_options.get_or_insert_default()
}
