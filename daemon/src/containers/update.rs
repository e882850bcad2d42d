//! Other limits and another restart policy for a container that is there: written to its control group if it runs,
//! and stored.

use std::sync::Arc;

use api_spec::container::{CreateRequest, HostConfig};
use runtime::cgroup::{self, Cgroup, Replaced};

use super::actor::Actor;
use super::create::refuse_later;
use super::error::Error;
use super::handle::{Handle, Outcome};
use super::record::{Definition, Writer};
use super::signals;
use super::state::Request;
use super::{Service, validate};
use crate::spec::{self, cgroup_path};

impl Service {
    /// Refuses what can not be right for any container, drops what the kernel has not. Returns warnings.
    pub(super) fn check_update(&self, update: &mut HostConfig) -> Result<Vec<String>, Error> {
        let mut warnings = Vec::new();
        validate::drop_io_weights(update, &self.facts, &mut warnings);
        let mut checked = update.clone();
        // Beside the limit that the container has, the one with swap may come alone.
        if checked.memory == 0 && checked.memory_swap > 0 {
            checked.memory = checked.memory_swap;
        }
        validate::update(&checked, &mut warnings)?;
        refuse_later(&CreateRequest { host_config: update.clone(), ..CreateRequest::default() })?;
        Ok(warnings)
    }
}

impl Handle {
    /// Applies what `update` sets; zero and empty leave what is.
    pub(crate) async fn update(&self, update: HostConfig) -> Result<Outcome, Error> {
        self.ask(|reply| super::handle::Command::Update { update: Box::new(update), reply }).await
    }
}

impl Actor {
    pub(super) async fn update(&mut self, update: &HostConfig) -> Result<Outcome, Error> {
        self.admit(Request::Change)?;
        let id = &self.definition.id;
        let failed = |why: &dyn std::fmt::Display| format!("Cannot update container {id}: {why}");
        let host_config = merge(&self.definition.host_config, update)
            .map_err(|why| Error::Conflict(failed(&why)))?;
        let mut replaced = None;
        if self.progress.state.running().is_some() {
            let written = self.write_limits(&host_config).await;
            replaced = written.map_err(|error| Error::Internal(failed(&error)))?;
        }
        let redefined =
            self.redefine(Definition { host_config, ..Definition::clone(&self.definition) });
        if let Err(error) = redefined {
            if let Some(replaced) = replaced {
                self.take_back(replaced).await;
            }
            return Err(error);
        }
        self.tell("update", &[]);
        Ok(Outcome::Done)
    }

    /// Gives the container another definition, which is stored first.
    pub(super) fn redefine(&mut self, definition: Definition) -> Result<(), Error> {
        let definition = Arc::new(definition);
        let writer =
            Writer::new(self.service.store.records(), &definition).map_err(Error::internal)?;
        writer.update(&self.progress).map_err(Error::internal)?;
        self.writer = Arc::new(writer);
        self.service.registry().redefine(&definition);
        self.definition = definition;
        Ok(())
    }

    /// Brings the limits of the running container to what `host_config` says: to all of it or, with an error, to
    /// nothing of it. Says what was before, unless the container has ended meanwhile.
    async fn write_limits(&self, host_config: &HostConfig) -> Result<Option<Replaced>, Error> {
        let (service, id) = (&self.service, &self.definition.id);
        let path = cgroup_path(host_config, &service.facts, id);
        let resources = spec::limits(host_config);
        let layout = &service.host.layout;
        let plan = cgroup::plan(&resources, &path, layout).map_err(Error::internal)?;
        let group = Cgroup::open(&path, layout);
        let write = move || group.update(&plan);
        let written = tokio::task::spawn_blocking(write).await.map_err(Error::internal)?;
        match written {
            // It has ended in the middle of it; the limits are those of its next start.
            Err(_) if !self.progress.state.running().is_some_and(signals::is_alive) => Ok(None),
            written => written.map(Some).map_err(Error::internal),
        }
    }

    /// Brings back what [`Self::write_limits`] replaced.
    async fn take_back(&self, replaced: Replaced) {
        let (service, id) = (&self.service, &self.definition.id);
        let path = cgroup_path(&self.definition.host_config, &service.facts, id);
        let group = Cgroup::open(&path, &service.host.layout);
        let written = tokio::task::spawn_blocking(move || group.restore(&replaced)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::error!(container.id = id, ?written, "limits are not what is recorded");
        }
    }
}

/// What holds after the update, or why it can not be.
fn merge(old: &HostConfig, update: &HostConfig) -> Result<HostConfig, String> {
    conflicts(old, update)?;
    let mut new = old.clone();
    let numbers = [
        (&mut new.cpu_shares, update.cpu_shares),
        (&mut new.nano_cpus, update.nano_cpus),
        (&mut new.cpu_period, update.cpu_period),
        (&mut new.cpu_quota, update.cpu_quota),
        (&mut new.cpu_realtime_period, update.cpu_realtime_period),
        (&mut new.cpu_realtime_runtime, update.cpu_realtime_runtime),
        (&mut new.memory_swap, update.memory_swap),
        (&mut new.memory_reservation, update.memory_reservation),
        (&mut new.memory, update.memory),
    ];
    for (field, value) in numbers {
        if value != 0 {
            *field = value;
        }
    }
    let texts =
        [(&mut new.cpuset_cpus, &update.cpuset_cpus), (&mut new.cpuset_mems, &update.cpuset_mems)];
    for (field, value) in texts {
        if !value.is_empty() {
            field.clone_from(value);
        }
    }
    if update.blkio_weight != 0 {
        new.blkio_weight = update.blkio_weight;
    }
    new.pids_limit = update.pids_limit.or(new.pids_limit);
    if !update.restart_policy.name.is_empty() {
        new.restart_policy.clone_from(&update.restart_policy);
    }
    Ok(new)
}

fn conflicts(old: &HostConfig, update: &HostConfig) -> Result<(), String> {
    let policy = update.restart_policy.name.as_str();
    let rows = [
        (
            update.nano_cpus > 0 && old.cpu_period > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            update.nano_cpus > 0 && old.cpu_quota > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        ),
        (
            update.cpu_period > 0 && old.nano_cpus > 0,
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (
            update.cpu_quota > 0 && old.nano_cpus > 0,
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            update.memory > old.memory_swap && old.memory_swap > 0 && update.memory_swap == 0,
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
        (
            old.auto_remove && !matches!(policy, "" | "no"),
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ),
    ];
    match rows.into_iter().find(|(holds, _)| *holds) {
        Some((_, why)) => Err(why.to_owned()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let old =
            HostConfig { memory: 5, memory_swap: 10, pids_limit: Some(7), ..HostConfig::default() };
        let update = HostConfig { memory: 6, cpuset_cpus: "0".into(), ..HostConfig::default() };
        let new = merge(&old, &update).unwrap();
        assert_eq!((new.memory, new.memory_swap, new.pids_limit), (6, 10, Some(7)));
        assert_eq!(new.cpuset_cpus, "0");
        assert_eq!(merge(&old, &HostConfig::default()).unwrap(), old);
    }

    #[test]
    fn conflicts_are_told() {
        let old = HostConfig { memory: 5, memory_swap: 10, nano_cpus: 1, ..HostConfig::default() };
        let memory = HostConfig { memory: 11, ..HostConfig::default() };
        assert!(merge(&old, &memory).is_err());
        assert!(merge(&old, &HostConfig { memory_swap: -1, ..memory }).is_ok());
        assert!(merge(&old, &HostConfig { cpu_quota: 5, ..HostConfig::default() }).is_err());
    }
}
