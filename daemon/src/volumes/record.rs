//! What is stored of a volume.

use serde::{Deserialize, Serialize};
use store::Records;

use super::{ANONYMOUS, Error, Texts};

/// The records' kind in the store.
const KIND: &str = "volume";
/// Version of the stored form.
const VERSION: u32 = 1;

/// A volume; nothing here changes after its creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) name: String,
    /// RFC 3339, whole seconds.
    pub(crate) created: String,
    pub(crate) labels: Option<Texts>,
    /// `type`, `o`, `device`.
    pub(crate) options: Option<Texts>,
}

impl Volume {
    pub(super) fn new(name: String, labels: Option<Texts>, options: Option<Texts>) -> Self {
        let now = jiff::Timestamp::now();
        let seconds = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        Self { name, created: seconds.to_string(), labels, options }
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// Nobody gave it a name.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.label(ANONYMOUS).is_some()
    }
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    #[serde(flatten)]
    volume: Volume,
}

pub(super) fn insert(records: &Records, volume: &Volume) -> Result<(), Error> {
    let document = Document { version: VERSION, volume: volume.clone() };
    let json = serde_json::to_string(&document).map_err(Error::failed)?;
    Ok(records.insert(KIND, &volume.name, None, &json)?)
}

pub(super) fn delete(records: &Records, name: &str) -> Result<(), Error> {
    records.delete(KIND, name)?;
    Ok(())
}

/// Every stored volume. One that cannot be read is an error: going on would make it anew, without its options.
pub(super) fn load(records: &Records) -> Result<Vec<Volume>, Error> {
    let volume = |record: store::Record| {
        let document: Document = serde_json::from_str(&record.json)
            .map_err(|error| Error::Failed(format!("record of volume {}: {error}", record.id)))?;
        match document.version {
            VERSION => Ok(document.volume),
            version => Err(Error::Failed(format!(
                "record of volume {}: version {version} is not known",
                record.id
            ))),
        }
    };
    records.list(KIND)?.into_iter().map(volume).collect()
}
