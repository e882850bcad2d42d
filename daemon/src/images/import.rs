//! `docker import`: an archive of a root file system becomes an image of one layer.

use std::io::Read;

use api_spec::container::ContainerConfig;
use api_spec::progress::Message;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::pull::Platform;
use store::reference::Reference;
use tokio::sync::mpsc;

use super::{Error, Images, changes, commit};

/// What is to be made of an archive.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    pub(crate) reference: Option<Reference>,
    pub(crate) config: ContainerConfig,
    pub(crate) platform: Platform,
    /// What history says of it.
    pub(crate) message: String,
}

impl Import {
    /// Checks what a request asks for. `source` is where the archive comes from: `-` or a URL.
    pub(crate) fn new(
        source: &str,
        (repository, tag): (&str, &str),
        platform: Platform,
        message: &str,
        texts: &[String],
    ) -> Result<Self, Error> {
        let reference = commit::name(repository, tag)?;
        if platform.os != "linux" {
            return Err(Error::Invalid("operating system is not supported".to_owned()));
        }
        let mut config = ContainerConfig::default();
        changes::apply(&mut config, texts.iter().map(String::as_str))?;
        let message = match message {
            "" => format!("Imported from {source}"),
            message => message.to_owned(),
        };
        Ok(Self { reference, config, platform, message })
    }

    fn document(&self) -> Map<String, Value> {
        let created = Timestamp::now().to_string();
        let step = commit::step(&created, "", "", &self.message);
        let members = [
            ("architecture", json!(self.platform.architecture)),
            ("comment", json!(self.message)),
            ("config", json!(self.config)),
            ("container_config", json!(ContainerConfig::default())),
            ("created", json!(created)),
            ("docker_version", json!(env!("CARGO_PKG_VERSION"))),
            ("history", json!([step])),
            ("os", json!(self.platform.os)),
        ];
        let mut document: Map<_, _> =
            members.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        if !self.platform.variant.is_empty() {
            document.insert("variant".to_owned(), json!(self.platform.variant));
        }
        document
    }
}

impl Images {
    /// Makes an image of an archive, plain or compressed; its id is the last line. Blocks.
    pub(crate) fn import(
        &self,
        import: &Import,
        archive: impl Read,
        lines: &mpsc::Sender<Message>,
    ) -> Result<(), Error> {
        let images = self.store.images();
        let layer = images.read_layer(archive)?;
        let id = images.derive(None, &layer, import.document(), import.reference.clone())?;
        let id = id.to_string();
        self.tell("import", &id, &id, None);
        // Nobody listens when the client has gone.
        let _ = lines.blocking_send(Message::status(id));
        Ok(())
    }
}
