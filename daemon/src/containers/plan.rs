//! What a start of a container does, compiled from what the container is: OCI spec and plan.

use oci_spec::runtime::Spec;
use runtime::plan::Plan;

use super::Service;
use super::error::Error;
use super::handle::Handle;
use super::networks::Linked;
use super::prepare::{files_in, with_links};
use super::record::Definition;
use crate::spec::{self, Files, Joined, Mode, Source, mode};

impl Service {
    /// The plan of a start that would be made now. Nothing is changed by it.
    pub(super) fn plan_of(&self, handle: &Handle) -> Result<Plan, Error> {
        let definition = &handle.definition;
        let linked = self.linked(definition, &handle.snapshot().name)?;
        let owner = match mode(&definition.host_config.network_mode) {
            Mode::Container(name) => self.resolve(name)?.id().to_owned(),
            _ => definition.id.clone(),
        };
        let snapshot = self.store.snapshots().get(&owner).map_err(Error::internal)?;
        let files = snapshot.map(|snapshot| files_in(&snapshot.dir)).unwrap_or_default();
        let joined = self.peers(definition)?.namespaces;
        self.compile(definition, &files, &linked, joined).map(|(_, plan)| plan)
    }

    /// Spec and plan of a container's first process.
    pub(super) fn compile(
        &self,
        definition: &Definition,
        files: &Files,
        linked: &[Linked],
        joined: Joined,
    ) -> Result<(Spec, Plan), Error> {
        let config = with_links(&definition.config, linked);
        let devices = super::devices::find(&definition.host_config)?;
        let volumes = self.volume_mounts(definition)?;
        let source = Source {
            id: &definition.id,
            config: &config,
            host_config: &definition.host_config,
            files,
            volumes: &volumes,
            inherited: &definition.inherited,
            devices: &devices,
            joined,
            host: &self.facts,
        };
        let (mut spec, extras) = spec::build(&source);
        let compile = |spec: &Spec| runtime::plan::compile(spec, &extras, &self.host);
        let host_config = &definition.host_config;
        let privileged = host_config.privileged;
        let plan = self.filters.compile(host_config, privileged, &mut spec, compile)?;
        Ok((spec, plan))
    }
}
