//! What every handler can reach: the configuration and the services.

use std::ops::Deref;
use std::sync::Arc;

use store::registry::Registries;
use store::{RecordError, Store};

use crate::config::Config;
use crate::containers::Containers;
use crate::events::Events;
use crate::images::Images;
use crate::networks::Networks;
use crate::reload::Live;
use crate::volumes::Volumes;

/// The daemon's services. Cheap to clone: clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Services>);

/// See [`App`].
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) config: Arc<Config>,
    /// The part of it that changes.
    pub(crate) live: Live,
    pub(crate) store: Store,
    pub(crate) registries: Registries,
    pub(crate) events: Events,
    pub(crate) containers: Containers,
    pub(crate) images: Images,
    pub(crate) networks: Networks,
    pub(crate) volumes: Volumes,
}

impl App {
    pub(crate) fn new(services: Services) -> Self {
        Self(Arc::new(services))
    }
}

/// Kind and id of the record that holds the engine's id.
const ENGINE: (&str, &str) = ("daemon", "engine");

impl App {
    /// The id of this data root's engine, made when it is first asked for.
    pub(crate) async fn engine_id(&self) -> Result<String, RecordError> {
        let records = self.store.records();
        let stored = tokio::task::spawn_blocking(move || {
            let (kind, id) = ENGINE;
            if records.get(kind, id)?.is_none() {
                let fresh = serde_json::json!({ "id": random_uuid() }).to_string();
                // Another request may have been first: what is stored then counts.
                let _ = records.insert(kind, id, None, &fresh);
            }
            records.get(kind, id)
        });
        let record = stored.await.ok().transpose()?.flatten();
        let json = record.and_then(|record| serde_json::from_str(&record.json).ok());
        Ok(json
            .and_then(|json: serde_json::Value| Some(json["id"].as_str()?.to_owned()))
            .unwrap_or_default())
    }
}

/// RFC 9562, version 4.
fn random_uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

impl Deref for App {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}
