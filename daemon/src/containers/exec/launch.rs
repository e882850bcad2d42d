//! The blocking part of an exec's start: plan, socket, launch.

use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;

use runtime::launch::{Kind, LaunchFds, LaunchRequest, LogConfig, StdioConfig};
use runtime::monitor::protocol::Role;
use runtime::plan::Plan;

use super::{Exec, ExecStart};
use crate::containers::Service;
use crate::containers::error::Error;
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
    /// Of socket and record in the run directory.
    pub(super) name: String,
}

/// An exec under way.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) control: StdStream,
    pub(super) stream: Option<StdStream>,
}

impl Task {
    pub(super) fn run(&self) -> Result<Launched, Error> {
        let container = &self.exec.container;
        let gone = || Error::not_running(container.id());
        let target = signals::open(&self.running).ok_or_else(gone)?;
        let plan = self.plan()?;
        let run_dir = self.service.run_dir(container);
        let listener = run_dir.bind(&self.name).map_err(Error::internal)?;
        let control = run_dir.connect(&self.name, Role::Control).map_err(Error::internal)?;
        let stream = (!self.how.detach)
            .then(|| run_dir.connect(&self.name, self.exec.streams().into()))
            .transpose()
            .map_err(Error::internal)?;
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
            record: run_dir.record(&self.name),
            kind: Kind::Exec,
        };
        let fds = LaunchFds { listener: listener.into(), netns: None, target: Some(target) };
        if let Err(error) = self.service.launcher.launch(&request, fds) {
            run_dir.forget(&self.name);
            return Err(Error::internal(error));
        }
        Ok(Launched { control, stream })
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
        let (mut spec, _) = spec::build(&source);
        let (process, extras) = spec::exec_process(&source, &self.exec.config);
        // An exec with more rights than its container gets the filter of a privileged container: none.
        let mut host_config = definition.host_config.clone();
        host_config.privileged |= self.exec.config.privileged;
        self.service.filters.compile(&host_config, &mut spec, |spec| {
            runtime::plan::compile_exec(spec, &process, &extras, &self.service.host)
        })
    }
}
