//! Removal: files and record first, then the name is free and everybody is told.

use store::crash;

use super::actor::Actor;
use super::error::Error;
use super::handle::{Outcome, Reply};
use super::state::{Exit, State};

impl Actor {
    /// Removes it now, or at its end if it runs: then it is killed.
    pub(super) async fn remove(&mut self, volumes: bool, reply: Reply) {
        self.removing.push(reply);
        self.removing_volumes |= volumes;
        if self.progress.state.running().is_some() {
            self.note_stop();
            self.last_run = true;
            self.kill_now();
            return;
        }
        self.restart_at = None;
        self.remove_now().await;
    }

    /// Removes it. It does not run.
    pub(super) async fn remove_now(&mut self) {
        let before = self.progress.state.clone();
        let exit = before.exit().cloned().unwrap_or_default();
        self.progress.state = State::Removing(exit.clone());
        self.publish();
        // Without files it is no container any more: a daemon that comes up in between has to go on.
        self.persist();
        let removed = self.remove_files().await;
        let replies = std::mem::take(&mut self.removing);
        self.removing_volumes = false;
        if let Err(error) = removed {
            tracing::error!(container.id = self.definition.id, %error, "container not removed");
            self.progress.state = State::Exited(Exit { error: error.to_string(), ..exit });
            self.publish();
            self.persist();
            for reply in replies {
                _ = reply.send(Err(error.clone()));
            }
            return;
        }
        self.service.forget(&self.definition.id, &self.name);
        self.progress.state = State::Removed(exit);
        self.publish();
        self.tell("destroy", &[]);
        for reply in replies {
            _ = reply.send(Ok(Outcome::Done));
        }
        let run_dir = self.run_dir.clone();
        tokio::task::spawn_blocking(move || run_dir.remove());
    }

    /// The snapshot before the record: whatever happens in between, the record leads to the rest. Then the volumes.
    async fn remove_files(&self) -> Result<(), Error> {
        let (service, writer) = (self.service.clone(), self.writer.clone());
        let definition = self.definition.clone();
        let anonymous = self.removing_volumes || definition.host_config.auto_remove;
        let work = move || -> Result<(), Error> {
            let id = &definition.id;
            let prefix = format!("unable to remove filesystem for {id}");
            let failed =
                |error: &dyn std::fmt::Display| Error::Internal(format!("{prefix}: {error}"));
            service.store.snapshots().remove(id).map_err(|error| failed(&error))?;
            crash::step("remove.freed");
            writer.delete().map_err(|error| failed(&error))?;
            service.release_volumes(&definition, anonymous);
            Ok(())
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}
