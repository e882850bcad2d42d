//! Which containers there are, by id and by name.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::error::Error;
use super::handle::Handle;
use super::record::Definition;

/// Every container, by id and by name.
#[derive(Debug, Default)]
pub(super) struct Registry {
    by_id: BTreeMap<String, Handle>,
    by_name: HashMap<String, String>,
}

impl Registry {
    pub(super) fn insert(&mut self, handle: Handle, name: &str) {
        self.by_name.insert(name.to_owned(), handle.id().to_owned());
        self.by_id.insert(handle.id().to_owned(), handle);
    }

    pub(super) fn remove(&mut self, id: &str, name: &str) {
        self.by_id.remove(id);
        if self.by_name.get(name).is_some_and(|holder| holder == id) {
            self.by_name.remove(name);
        }
    }

    /// The container's record has the new name already.
    pub(super) fn rename(&mut self, id: &str, old: &str, new: &str) {
        if self.by_name.get(old).is_some_and(|holder| holder == id) {
            self.by_name.remove(old);
        }
        self.by_name.insert(new.to_owned(), id.to_owned());
    }

    /// The container's definition has changed.
    pub(super) fn redefine(&mut self, definition: &Arc<Definition>) {
        if let Some(handle) = self.by_id.get_mut(&definition.id) {
            handle.definition = Arc::clone(definition);
        }
    }

    pub(super) fn all(&self) -> Vec<Handle> {
        self.by_id.values().cloned().collect()
    }

    /// By whole id, then by name, then by the beginning of an id if only one begins so.
    pub(super) fn resolve(&self, name: &str) -> Result<Handle, Error> {
        let bare = name.strip_prefix('/').unwrap_or(name);
        if let Some(handle) = self.by_id.get(bare) {
            return Ok(handle.clone());
        }
        if let Some(handle) = self.by_name.get(bare).and_then(|id| self.by_id.get(id)) {
            return Ok(handle.clone());
        }
        let none = || Error::NoContainer(name.to_owned());
        if bare.is_empty() {
            return Err(none());
        }
        let from = (Bound::Included(bare), Bound::Unbounded);
        let mut begin = self.by_id.range::<str, _>(from).take_while(|(id, _)| id.starts_with(bare));
        match (begin.next(), begin.next()) {
            (Some((_, only)), None) => Ok(only.clone()),
            (None, _) => Err(none()),
            (Some(_), Some(_)) => {
                Err(Error::Invalid(format!("multiple IDs found with provided prefix: {bare}")))
            }
        }
    }
}
