//! `VolumesFrom`: the volumes and binds of another container.

use std::sync::Arc;

use api_spec::container::{BindOptions, Mount};

use super::{Plan, VolumeUse};
use crate::containers::error::Error;
use crate::containers::record::Definition;
use crate::spec;
use crate::volumes::Wanted;

/// Adds what the container that `text` (`name[:ro|rw]`) names has. Later ones replace earlier ones at the same place.
pub(super) fn take(
    plan: &mut Plan,
    text: &str,
    find: impl Fn(&str) -> Result<Arc<Definition>, Error>,
) -> Result<(), Error> {
    let (name, writable) = parse(text).map_err(Error::Invalid)?;
    let peer = find(name).map_err(|error| Error::Invalid(error.to_string()))?;
    for each in &peer.volumes {
        plan.clear(&each.target);
        let each = VolumeUse {
            writable: each.writable && writable,
            mode: String::new(),
            copy: false,
            ..each.clone()
        };
        plan.add(Wanted { name: each.name.clone(), ..Wanted::default() }, each);
    }
    for mut mount in binds(&peer) {
        plan.clear(&mount.target);
        mount.read_only |= !writable;
        plan.inherited.push(mount);
    }
    Ok(())
}

fn parse(text: &str) -> Result<(&str, bool), String> {
    if text.is_empty() {
        return Err("volumes-from specification cannot be an empty string".to_owned());
    }
    let (name, mode) = text.split_once(':').unwrap_or((text, ""));
    let known = |part: &str| matches!(part, "" | "ro" | "rw" | "z" | "Z");
    match mode.split(',').all(known) {
        true => Ok((name, !mode.split(',').any(|part| part == "ro"))),
        false => Err(format!("invalid mode: {mode}")),
    }
}

/// All binds of a container in one form.
fn binds(definition: &Definition) -> Vec<Mount> {
    let host_config = &definition.host_config;
    let plain = spec::binds(host_config).filter(|bind| !bind.is_volume()).map(|bind| Mount {
        r#type: "bind".to_owned(),
        source: bind.source.to_string_lossy().into_owned(),
        target: bind.target,
        read_only: bind.readonly,
        bind_options: Some(BindOptions {
            propagation: bind.propagation,
            non_recursive: !bind.recursive,
            ..BindOptions::default()
        }),
        ..Mount::default()
    });
    let mounts = host_config.mounts.iter().flatten().filter(|mount| mount.r#type == "bind");
    let mounts =
        mounts.map(|mount| Mount { target: spec::clean_path(&mount.target), ..mount.clone() });
    plain.chain(mounts).chain(definition.inherited.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications() {
        assert_eq!(parse("web"), Ok(("web", true)));
        assert_eq!(parse("web:ro"), Ok(("web", false)));
        assert_eq!(parse("web:rw,z"), Ok(("web", true)));
        assert_eq!(parse("web:bad"), Err("invalid mode: bad".to_owned()));
        assert!(parse("").is_err());
    }
}
