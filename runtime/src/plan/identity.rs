//! The user namespace of a container: which ids of the host stand behind its own;
//! user_namespaces(7), config-linux.md "User namespace mappings".

use oci_spec::runtime::{Linux, LinuxIdMapping};
use serde::{Deserialize, Serialize};

use super::compile::{invalid, missing};
use super::{Namespace, Namespaces, PlanError};

/// Most ranges that the kernel takes for one map; user_namespaces(7).
const RANGES_MAX: usize = 340;

/// The maps of a new user namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserNamespace {
    pub uids: Vec<IdMapping>,
    pub gids: Vec<IdMapping>,
}

/// One range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMapping {
    /// First id in the container.
    pub container: u32,
    /// First id on the host.
    pub host: u32,
    /// How many ids.
    pub size: u32,
}

/// The maps that the spec names; they belong to a user namespace that is made new.
pub(super) fn user_namespace(
    linux: &Linux,
    namespaces: &Namespaces,
) -> Result<Option<UserNamespace>, PlanError> {
    let uids = mappings(linux.uid_mappings(), "linux.uidMappings")?;
    let gids = mappings(linux.gid_mappings(), "linux.gidMappings")?;
    if !namespaces.create.contains(&Namespace::User) {
        // With a namespace that is joined the maps are a mere note of what it has.
        let joins = namespaces.join.iter().any(|join| join.kind == Namespace::User);
        return match uids.is_empty() && gids.is_empty() || joins {
            true => Ok(None),
            false => Err(invalid("linux.uidMappings", "there is no user namespace")),
        };
    }
    if uids.is_empty() {
        return Err(missing("linux.uidMappings"));
    }
    if gids.is_empty() {
        return Err(missing("linux.gidMappings"));
    }
    Ok(Some(UserNamespace { uids, gids }))
}

/// The maps of a mount, if it has any.
pub(super) fn of_mount(
    mount: &oci_spec::runtime::Mount,
    field: &str,
) -> Result<Option<UserNamespace>, PlanError> {
    let (uid_field, gid_field) = (format!("{field}.uidMappings"), format!("{field}.gidMappings"));
    let uids = mappings(mount.uid_mappings(), &uid_field)?;
    let gids = mappings(mount.gid_mappings(), &gid_field)?;
    match (uids.is_empty(), gids.is_empty()) {
        (true, true) => Ok(None),
        (true, false) => Err(missing(&uid_field)),
        (false, true) => Err(missing(&gid_field)),
        (false, false) => Ok(Some(UserNamespace { uids, gids })),
    }
}

pub(super) fn mappings(
    listed: &Option<Vec<LinuxIdMapping>>,
    field: &str,
) -> Result<Vec<IdMapping>, PlanError> {
    let listed = listed.as_deref().unwrap_or_default();
    if listed.len() > RANGES_MAX {
        return Err(invalid(field, format!("more than {RANGES_MAX} ranges")));
    }
    let one = |(at, mapping): (usize, &LinuxIdMapping)| {
        if mapping.size() == 0 {
            return Err(invalid(format!("{field}[{at}].size"), "zero"));
        }
        Ok(IdMapping {
            container: mapping.container_id(),
            host: mapping.host_id(),
            size: mapping.size(),
        })
    };
    listed.iter().enumerate().map(one).collect()
}

impl UserNamespace {
    /// The text of `uid_map` and its kin.
    pub(crate) fn map_text(mappings: &[IdMapping]) -> String {
        let line = |mapping: &IdMapping| {
            format!("{} {} {}\n", mapping.container, mapping.host, mapping.size)
        };
        mappings.iter().map(line).collect()
    }
}
