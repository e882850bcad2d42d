//! Volumes as Docker's local driver has them: a directory under the data root, a record, and the containers that have
//! it. Whatever looks at users and changes names does so under one lock, so that a volume in use is never removed.
//!
//! Everything here blocks for as long as a directory and a record take to write, or a mount: volumes with a file system
//! of their own (`type`, `o`, `device`) have it while a container that runs uses them.

mod choice;
mod copy;
mod error;
mod filesystem;
mod fill;
mod mounted;
mod options;
mod record;

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::Rng;
use store::{Store, is_volume_name};

pub(crate) use choice::Selection;
pub(crate) use error::Error;
pub(crate) use filesystem::Filesystem;
pub(crate) use fill::Image;
pub(crate) use options::What;
pub(crate) use record::Volume;

use crate::events::{Event, Events, Kind};

/// The only driver.
pub(crate) const DRIVER: &str = "local";
/// What marks a volume that nobody gave a name.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

type Texts = BTreeMap<String, String>;

/// A volume that is asked for; made if it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Empty: a new one with a name of 64 hexadecimal digits.
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) options: Option<Texts>,
    pub(crate) labels: Option<Texts>,
}

impl Wanted {
    /// With a new name of its own, and marked so.
    pub(crate) fn anonymous(mut self) -> Self {
        self.name = hex::encode(rand::rng().random::<[u8; 32]>());
        self.labels.get_or_insert_default().insert(ANONYMOUS.to_owned(), String::new());
        self
    }
}

/// What a prune took away.
#[derive(Debug, Default)]
pub(crate) struct Pruned {
    pub(crate) names: Vec<String>,
    pub(crate) bytes: u64,
}

/// The volumes of the daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Volumes(Arc<Service>);

#[derive(Debug)]
struct Service {
    store: Store,
    events: Events,
    table: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    volume: Arc<Volume>,
    /// Ids of the containers that have it.
    users: BTreeSet<String>,
    /// Held while it is filled from an image.
    filling: Arc<Mutex<()>>,
    /// Who uses its file system, if it has one of its own.
    mounted: Arc<Mutex<mounted::Users>>,
}

impl Entry {
    fn new(volume: Volume) -> Self {
        Self {
            volume: Arc::new(volume),
            users: BTreeSet::new(),
            filling: Arc::default(),
            mounted: Arc::default(),
        }
    }
}

impl Volumes {
    /// Reads the stored volumes. Data without a record becomes a volume again: a power cut can take the record of
    /// a volume, never the volume.
    pub(crate) fn open(store: Store, events: Events) -> Result<Self, Error> {
        let mut table = BTreeMap::new();
        for volume in record::load(&store.records())? {
            store.volumes().ensure(&volume.name)?;
            table.insert(volume.name.clone(), Entry::new(volume));
        }
        for name in store.volumes().found()? {
            if let btree_map::Entry::Vacant(vacant) = table.entry(name) {
                let name = vacant.key().clone();
                tracing::warn!(volume.name = name, "a volume without a record is taken up again");
                let volume = Volume::new(name, None, None);
                record::insert(&store.records(), &volume)?;
                vacant.insert(Entry::new(volume));
            }
        }
        Ok(Self(Arc::new(Service { store, events, table: Mutex::new(table) })))
    }

    /// The volume of this name, made if it is not there.
    pub(crate) fn create(&self, wanted: Wanted) -> Result<Arc<Volume>, Error> {
        self.make(wanted, None)
    }

    /// As [`Self::create`]; the volume cannot be removed until the container releases it.
    pub(crate) fn acquire(&self, wanted: Wanted, container: &str) -> Result<Arc<Volume>, Error> {
        self.make(wanted, Some(container))
    }

    fn make(&self, wanted: Wanted, user: Option<&str>) -> Result<Arc<Volume>, Error> {
        let wanted = if wanted.name.is_empty() { wanted.anonymous() } else { wanted };
        let Wanted { name, driver, options, labels } = wanted;
        if !matches!(driver.as_str(), "" | DRIVER) {
            return Err(Error::NoDriver { name, driver });
        }
        check_name(&name)?;
        let mut table = self.table();
        if !table.contains_key(&name) {
            let limit = options::check(&name, options.as_ref(), self.0.store.has_quotas())?;
            let volume = Volume::new(name.clone(), labels, options);
            // The record first: it takes the name. Missing directories are made when the daemon comes up.
            record::insert(&self.0.store.records(), &volume)?;
            let volumes = self.0.store.volumes();
            let limited = |_| limit.map_or(Ok(()), |bytes| volumes.limit(&name, bytes));
            if let Err(error) = volumes.ensure(&name).and_then(limited) {
                volumes.remove(&name)?;
                record::delete(&self.0.store.records(), &name)?;
                return Err(error.into());
            }
            table.insert(name.clone(), Entry::new(volume));
            self.tell("create", &name, &[]);
        }
        let Some(entry) = table.get_mut(&name) else { return Err(Error::NoVolume(name)) };
        entry.users.extend(user.map(str::to_owned));
        Ok(Arc::clone(&entry.volume))
    }

    /// A stored container has these volumes. One that is not there any more is made again, empty.
    pub(crate) fn adopt(&self, container: &str, names: impl Iterator<Item = String>) {
        for name in names {
            let wanted = Wanted { name, ..Wanted::default() };
            if let Err(error) = self.acquire(wanted, container) {
                tracing::error!(container.id = container, %error, "a volume is lost");
            }
        }
    }

    /// The container is gone; of its volumes, those that are `named` here go too if nobody else has them.
    pub(crate) fn release(&self, container: &str, named: &[String]) {
        let mut table = self.table();
        for entry in table.values_mut() {
            entry.users.remove(container);
        }
        for name in named {
            match self.remove_from(&mut table, name) {
                Ok(()) | Err(Error::InUse { .. } | Error::NoVolume(_)) => {}
                Err(error) => tracing::error!(volume.name = name, %error, "volume not removed"),
            }
        }
    }

    /// Finds a volume.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Volume>, Error> {
        let table = self.table();
        let entry = table.get(name).ok_or_else(|| Error::NoVolume(name.to_owned()))?;
        Ok(Arc::clone(&entry.volume))
    }

    /// The chosen volumes, by name.
    pub(crate) fn list(&self, selection: &Selection) -> Vec<Arc<Volume>> {
        let table = self.table();
        let chosen = table.values().filter(|entry| selection.contains(&entry.volume, entry.used()));
        chosen.map(|entry| Arc::clone(&entry.volume)).collect()
    }

    /// Removes a volume that no container has. `force` only means that it may be gone already.
    pub(crate) fn remove(&self, name: &str, force: bool) -> Result<(), Error> {
        match self.remove_from(&mut self.table(), name) {
            Err(Error::NoVolume(_)) if force => Ok(()),
            result => result,
        }
    }

    /// Removes the chosen volumes that no container has.
    pub(crate) fn prune(&self, selection: &Selection) -> Result<Pruned, Error> {
        let mut pruned = Pruned::default();
        for volume in self.list(selection) {
            let bytes = self.size(&volume);
            match self.remove(&volume.name, false) {
                Ok(()) => {
                    pruned.names.push(volume.name.clone());
                    pruned.bytes = pruned.bytes.saturating_add(bytes);
                }
                // Somebody took it up, or away, meanwhile.
                Err(Error::InUse { .. } | Error::NoVolume(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let event = Event::new(Kind::Volume, "prune", "");
        self.0.events.publish(event.with("reclaimed", pruned.bytes.to_string()));
        Ok(pruned)
    }

    /// All volumes, each with how many containers have it.
    pub(crate) fn used(&self) -> Vec<(Arc<Volume>, usize)> {
        let table = self.table();
        table.values().map(|entry| (Arc::clone(&entry.volume), entry.users.len())).collect()
    }

    /// Bytes of the files in a volume.
    pub(crate) fn size(&self, volume: &Volume) -> u64 {
        store::layer::changes::tree_size(&self.0.store.volumes().data(&volume.name))
    }

    /// Where the data of a volume lies on the host.
    pub(crate) fn mountpoint(&self, name: &str) -> String {
        self.0.store.volumes().data(name).to_string_lossy().into_owned()
    }

    /// Tells that something happened to a volume.
    pub(crate) fn tell(&self, action: &str, name: &str, attributes: &[(&str, String)]) {
        let event = Event::new(Kind::Volume, action, name).with("driver", DRIVER);
        let attributes = attributes.iter().map(|(key, value)| (*key, value.clone()));
        self.0.events.publish(event.with_all(attributes));
    }

    /// The bytes first: a record without data leads to an empty volume, data without a record would come back.
    fn remove_from(&self, table: &mut BTreeMap<String, Entry>, name: &str) -> Result<(), Error> {
        let entry = table.get(name).ok_or_else(|| Error::NoVolume(name.to_owned()))?;
        if entry.used() {
            let users = entry.users.iter().cloned().collect();
            return Err(Error::InUse { name: name.to_owned(), users });
        }
        if let What::Filesystem(_) = entry.volume.what() {
            // Left by a daemon that died: what is in there is not the volume's to remove.
            filesystem::unmount_all(&self.0.store.volumes().data(name));
        }
        self.0.store.volumes().remove(name)?;
        record::delete(&self.0.store.records(), name)?;
        table.remove(name);
        self.tell("destroy", name, &[]);
        Ok(())
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn used(&self) -> bool {
        !self.users.is_empty()
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.len() == 1 {
        return Err(Error::Invalid(format!(
            "create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )));
    }
    match is_volume_name(name) {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "create {name}: {name:?} includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
        ))),
    }
}
