//! Coming up: every stored container gets its actor again. Those that run are found by their monitor's socket; the
//! ends that happened without a daemon are read from the exit records.

mod machine;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;

use runtime::monitor::protocol::Role;

use super::Service;
use super::actor::{Actor, Seed};
use super::ended::UNSEEN_EXIT_CODE;
use super::error::Error;
use super::handle::Handle;
use super::monitor::{Control, RunDir};
use super::record::{self, Definition, Progress, Stored, Writer};
use super::restart;
use super::sequel::{self, First};
use super::state::{Exit, State};

/// How long a container waits for another one that it needs.
const PEER_LIMIT: Duration = Duration::from_secs(15);

impl Service {
    pub(super) fn adopt(self: &Arc<Self>) -> Result<(), Error> {
        let mut root = fs::DirBuilder::new();
        root.recursive(true).mode(0o700).create(&self.run_root).map_err(Error::internal)?;
        let stored = record::load(&self.store.records()).map_err(Error::internal)?;
        let ids: HashSet<String> =
            stored.iter().map(|stored| stored.definition.id.clone()).collect();
        let anew = machine::started_anew(&self.data_root)?;
        // First all handles, then the actors: one that is started at once may look for another.
        let mut actors = Vec::with_capacity(stored.len());
        for stored in stored {
            actors.push(self.adopt_one(stored, anew)?);
        }
        self.networks.settle();
        self.volumes.settle();
        let firsts: HashMap<String, First> =
            actors.iter().map(|(actor, first)| (actor.definition.id.clone(), *first)).collect();
        for (actor, first) in actors {
            let needed = self.awaited(&actor.definition, first, &firsts);
            tokio::spawn(async move {
                for peer in needed {
                    peer.comes_up().await;
                }
                actor.adopted(first).await;
            });
        }
        self.sweep_run_root(&ids);
        Ok(())
    }

    /// The containers that this one needs and that are about to be started, as it may be.
    fn awaited(
        &self,
        definition: &Definition,
        first: First,
        firsts: &HashMap<String, First>,
    ) -> Vec<Handle> {
        let may_start = |first| matches!(first, First::Start | First::FindEnd | First::Lost);
        if !may_start(first) || !restart::has_policy(&definition.host_config.restart_policy) {
            return Vec::new();
        }
        let mut needed = self.needs(definition);
        needed.retain(|id| firsts.get(id).is_some_and(|first| may_start(*first)));
        needed.iter().filter_map(|id| self.resolve(id).ok()).collect()
    }

    /// `anew`: the machine was started since.
    fn adopt_one(self: &Arc<Self>, stored: Stored, anew: bool) -> Result<(Actor, First), Error> {
        let Stored { definition, name, progress } = stored;
        let run_dir = RunDir::new(&self.run_root, &definition.id);
        for attachment in &progress.networks {
            if let Some(lease) = &attachment.lease {
                self.networks.adopt(&definition.id, lease);
                self.announce(&definition.id, attachment);
            }
        }
        let was_up = progress.state.is_live();
        let control = match was_up && !anew {
            true => run_dir.connect(Role::Control).ok(),
            false => None,
        };
        let first = sequel::first(&definition.host_config, &progress, control.is_some(), anew);
        let volumes = definition.volumes.iter().map(|each| each.name.clone());
        self.volumes.adopt(&definition.id, volumes);
        if was_up {
            for each in &definition.volumes {
                self.volumes.take_over(&each.name, &definition.id);
            }
        }
        let definition = Arc::new(definition);
        let seed = Seed {
            writer: Writer::new(self.store.records(), &definition).map_err(Error::internal)?,
            control: control.map(Control::new).transpose().map_err(Error::internal)?,
            definition,
            name: name.clone(),
            progress,
        };
        let (actor, handle) = Actor::new(self, seed);
        if matches!(first, First::FindEnd | First::Lost) {
            actor.show_end();
        }
        self.registry().insert(handle, &name);
        Ok((actor, first))
    }

    /// Removes run directories that no container has.
    fn sweep_run_root(&self, ids: &HashSet<String>) {
        let Ok(entries) = fs::read_dir(&self.run_root) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !ids.contains(&name) {
                RunDir::new(&self.run_root, &name).remove();
            }
        }
    }
}

impl Handle {
    /// Waits until it runs, or has been given up; not for ever.
    async fn comes_up(&self) {
        let mut snapshot = self.snapshot.clone();
        let settled = snapshot.wait_for(|seen| match &seen.progress.state {
            State::Running(_) | State::Paused(_) | State::Removing(_) | State::Removed(_) => true,
            // Started and not come up, or not to be started.
            State::Exited(exit) => !exit.error.is_empty() || seen.exits > 0,
            State::Created | State::Starting | State::Restarting(_) => false,
        });
        if tokio::time::timeout(PEER_LIMIT, settled).await.is_err() {
            tracing::warn!(container.id = self.id(), "does not come up; what needs it goes on");
        }
    }
}

impl Actor {
    /// Lets the first clients see the end that [`First::FindEnd`] is about to deal with.
    fn show_end(&self) {
        let unseen = || Exit {
            exit_code: UNSEEN_EXIT_CODE,
            started_at: self.progress.state.running().map(|running| running.started_at.clone()),
            ..Exit::default()
        };
        let state = match self.new_record() {
            Some(record) => State::Exited(Exit::from(&record)),
            None if self.inherited_start => self.before_start(),
            None => State::Exited(unseen()),
        };
        self.show(&Progress { state, ..self.progress.clone() });
    }

    async fn adopted(mut self, first: First) {
        match first {
            First::GoOn => {
                self.bound_inherited_start();
                self.see_whether_frozen();
                self.answer_again().await;
                self.watch_health();
            }
            First::Nothing => {}
            First::FindEnd => self.monitor_gone().await,
            First::Lost => self.machine_gone().await,
            First::Remove => self.remove_now().await,
            First::Start => self.start().await,
        }
        self.run().await;
    }
}
