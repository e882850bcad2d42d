//! The blocking part of an exec's start: plan, connections, launch.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use oci_spec::runtime::Spec;
use runtime::launch::{Kind, LaunchFds, LaunchRequest, LogConfig, StdioConfig};
use runtime::monitor::protocol::Role;
use runtime::plan::Plan;
use runtime::timeline::{Step, Timeline};

use super::{Exec, ExecStart};
use crate::containers::Service;
use crate::containers::error::Error;
use crate::containers::launchers::Connections;
use crate::containers::monitor;
use crate::containers::prepare::with_links;
use crate::containers::signals;
use crate::containers::state::Running;
use crate::spec::{self, Devices, Files, Joined, Source};

/// An exec to be started.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) service: Arc<Service>,
    pub(super) exec: Arc<Exec>,
    pub(super) running: Running,
    pub(super) how: ExecStart,
    pub(super) timeline: Timeline,
}

impl Task {
    /// Returns when the monitor is on its way, with the connections to it.
    pub(super) fn run(mut self) -> Result<Connections, Error> {
        self.timeline.mark(Step::Begun);
        let container = &self.exec.container;
        let gone = || Error::not_running(container.id());
        let target = signals::open(&self.running).ok_or_else(gone)?;
        let plan = self.plan()?;
        self.timeline.mark(Step::Compiled);
        let config = &self.exec.config;
        let request = LaunchRequest {
            id: self.exec.id.clone(),
            plan,
            rootfs: None,
            stdio: StdioConfig {
                tty: config.tty,
                stdin: config.attach_stdin,
                stdin_once: true,
                console_size: self.size(),
            },
            log: LogConfig::None,
            record: None,
            kind: Kind::Exec,
            timeline: std::mem::take(&mut self.timeline),
        };
        let connect = || self.connect(&target).map_err(Error::internal);
        self.service.launchers.launch(&request, connect)
    }

    fn connect(&self, target: &OwnedFd) -> std::io::Result<(LaunchFds, Connections)> {
        let (control, theirs) = monitor::connection()?;
        let (mut clients, mut streams) = (vec![(Role::Control, theirs)], Vec::new());
        if !self.how.detach {
            let (ours, theirs) = monitor::connection()?;
            clients.push((self.exec.streams().into(), theirs));
            streams.push(ours);
        }
        let target = Some(target.try_clone()?);
        Ok((
            LaunchFds { clients, target, ..LaunchFds::default() },
            Connections { control, streams, monitor: None },
        ))
    }

    fn size(&self) -> Option<(u16, u16)> {
        let [rows, columns] = self.how.console_size.or(self.exec.config.console_size)?;
        let side = |side: u32| u16::try_from(side).ok().filter(|side| *side > 0);
        side(rows).zip(side(columns)).filter(|_| self.exec.config.tty)
    }

    fn plan(&self) -> Result<Plan, Error> {
        let definition = &self.exec.container.definition;
        let files = Files::default();
        let name = &self.exec.container.snapshot().name;
        // Whatever is linked now; an exec does not fail for what has gone since the start.
        let linked = self.service.linked(definition, name).unwrap_or_default();
        let config = with_links(&definition.config, &linked);
        let source = Source {
            id: &definition.id,
            config: &config,
            host_config: &definition.host_config,
            files: &files,
            volumes: &[],
            inherited: &[],
            devices: &Devices::default(),
            joined: Joined::default(),
            host: &self.service.facts,
        };
        let exec = &self.exec.config;
        let (mut spec, process, extras) = spec::build_exec(&source, exec);
        // An exec with more rights than its container gets the filter of a privileged container: none.
        let privileged = definition.host_config.privileged || exec.privileged;
        let compile =
            |spec: &Spec| runtime::plan::compile_exec(spec, &process, &extras, &self.service.host);
        self.service.filters.compile(&definition.host_config, privileged, &mut spec, compile)
    }
}
