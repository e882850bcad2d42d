//! What is stored of a container: what it is, fixed at its creation, and how far it has come.

use api_spec::container::{ContainerConfig, Health, HostConfig, Mount};
use serde::{Deserialize, Serialize};
use store::Records;

use super::networks::{Attachment, Link};
use super::state::{Exit, State};
use super::volumes::{ImageUse, VolumeUse};

/// The records' kind in the store.
const KIND: &str = "container";
/// Version of the stored form.
const VERSION: u32 = 1;

/// What a container is; nothing here changes after its creation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// 64 hexadecimal digits.
    pub(crate) id: String,
    /// RFC 3339.
    pub(crate) created: String,
    /// `sha256:…` of the image's config.
    pub(crate) image_id: String,
    /// The client's configuration with the image's merged in.
    pub(crate) config: ContainerConfig,
    pub(crate) host_config: HostConfig,
    #[serde(default)]
    pub(crate) volumes: Vec<VolumeUse>,
    /// Images that are mounted in it.
    #[serde(default)]
    pub(crate) images: Vec<ImageUse>,
    /// Binds of the containers that it takes volumes from.
    #[serde(default)]
    pub(crate) inherited: Vec<Mount>,
    /// Other containers that it knows by names of its own, on the default bridge.
    #[serde(default)]
    pub(crate) links: Vec<Link>,
}

/// How far it has come. Written anew at every transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) state: State,
    /// How it ended last, if it ever did.
    pub(crate) last_exit: Option<Exit>,
    pub(crate) restart_count: u64,
    /// Stopped by a client: `unless-stopped` does not start it when the daemon comes up.
    pub(crate) stopped_by_client: bool,
    /// Of a container with a health check, from its first start on.
    #[serde(default)]
    pub(crate) health: Option<Health>,
    /// The networks it is in, its main one first.
    #[serde(default)]
    pub(crate) networks: Vec<Attachment>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            state: State::Created,
            last_exit: None,
            restart_count: 0,
            stopped_by_client: false,
            health: None,
            networks: Vec::new(),
        }
    }
}

/// A container as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) definition: Definition,
    pub(crate) name: String,
    pub(crate) progress: Progress,
}

#[derive(Deserialize)]
struct Document {
    version: u32,
    definition: Definition,
    progress: Progress,
}

/// Writes one container's record. The definition is turned into JSON once.
#[derive(Debug)]
pub(crate) struct Writer {
    records: Records,
    id: String,
    definition: String,
}

impl Writer {
    pub(crate) fn new(
        records: Records,
        definition: &Definition,
    ) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(definition)?;
        Ok(Self { records, id: definition.id.clone(), definition: json })
    }

    fn document(&self, progress: &Progress) -> Result<String, store::RecordError> {
        let progress = serde_json::to_string(progress).unwrap_or_default();
        let definition = &self.definition;
        Ok(format!(r#"{{"version":{VERSION},"definition":{definition},"progress":{progress}}}"#))
    }

    /// The first record, which takes the name.
    pub(crate) fn insert(&self, name: &str, progress: &Progress) -> Result<(), store::RecordError> {
        let document = self.document(progress)?;
        self.records.insert(KIND, &self.id, Some(name), &document)
    }

    pub(crate) fn update(&self, progress: &Progress) -> Result<(), store::RecordError> {
        self.records.update(KIND, &self.id, &self.document(progress)?)
    }

    /// Another name, if nobody has it.
    pub(crate) fn rename(&self, name: &str) -> Result<(), store::RecordError> {
        self.records.rename(KIND, &self.id, name)
    }

    pub(crate) fn delete(&self) -> Result<(), store::RecordError> {
        self.records.delete(KIND, &self.id).map(drop)
    }
}

/// Every stored container; those that can not be read are told and left alone.
pub(crate) fn load(records: &Records) -> Result<Vec<Stored>, store::RecordError> {
    let mut list = Vec::new();
    for record in records.list(KIND)? {
        match serde_json::from_str::<Document>(&record.json) {
            Ok(document) if document.version == VERSION => list.push(Stored {
                name: record.name.unwrap_or_else(|| document.definition.id[..12].to_owned()),
                definition: document.definition,
                progress: document.progress,
            }),
            Ok(document) => tracing::error!(
                container.id = record.id,
                record.version = document.version,
                "the container's record is of an unknown version; it is left alone"
            ),
            Err(error) => tracing::error!(
                container.id = record.id,
                %error,
                "the container's record can not be read; it is left alone"
            ),
        }
    }
    Ok(list)
}
