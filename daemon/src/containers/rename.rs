//! Another name for a container. The store's record decides who gets a name.

use super::actor::Actor;
use super::error::Error;
use super::handle::Outcome;
use super::names;
use super::state::Request;

impl Actor {
    pub(super) fn rename(&mut self, name: &str) -> Result<Outcome, Error> {
        self.admit(Request::Change)?;
        let bare = name.strip_prefix('/').unwrap_or(name);
        if bare.is_empty() {
            return Err(Error::Invalid("Neither old nor new names may be empty".to_owned()));
        }
        if bare == self.name {
            return Err(Error::Invalid(
                "Renaming a container with the same name as its current name".to_owned(),
            ));
        }
        if !names::is_valid(bare) {
            return Err(Error::Invalid(format!(
                "Error when allocating new name: Invalid container name (/{bare}), only \
                 [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            )));
        }
        self.writer.rename(bare).map_err(|error| match error {
            store::RecordError::NameTaken { name, holder, .. } => Error::Conflict(format!(
                "Error when allocating new name: {}",
                Error::NameTaken { name, holder }
            )),
            error => Error::internal(error),
        })?;
        self.service.registry().rename(&self.definition.id, &self.name, bare);
        let old = std::mem::replace(&mut self.name, bare.to_owned());
        self.rename_in_networks();
        self.publish();
        self.tell("rename", &[("oldName", format!("/{old}"))]);
        Ok(Outcome::Done)
    }
}
