//! The processes of a container, seen from the host: no program of the container is run.

mod process;
mod ps;

use runtime::cgroup::Cgroup;

use api_spec::container::TopResponse;

use super::Service;
use super::error::Error;
use super::handle::Handle;
use super::state::{Admission, Request};
use crate::spec::cgroup_path;

/// What `ps` is told when a client does not say; this form needs no `ps`.
const USUAL: &str = "-ef";

impl Service {
    /// The table that `ps` would print with these arguments. Blocking.
    pub(super) fn top(&self, handle: &Handle, arguments: &str) -> Result<TopResponse, Error> {
        let seen = handle.snapshot();
        if let Admission::Refuse(refusal) = seen.progress.state.admit(Request::Top) {
            return Err(refusal.error(handle.id(), &seen.name));
        }
        let path = cgroup_path(&handle.definition.host_config, &self.facts, handle.id());
        let group = Cgroup::open(&path, &self.host.layout);
        let mut pids = group.pids().map_err(Error::internal)?;
        pids.sort_unstable();
        let table = match arguments {
            "" | USUAL => process::table(&pids),
            arguments => ps::table(arguments, &pids)?,
        };
        let event = super::actor::event(&handle.definition, &seen.name, "top", &[]);
        self.events.publish(event);
        Ok(table)
    }
}
