//! What may change while the daemon runs: SIGHUP makes it read its configuration again, as dockerd
//! does, and obey the settings below. All others wait for the next start.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::app::App;
use crate::config::flags::Flags;
use crate::config::{self, Config, LogLevel};
use crate::events::{Event, Kind};
use crate::host;
use crate::logging::Level;

/// The settings that can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `KEY=VALUE`.
    pub(crate) labels: Vec<String>,
    pub(crate) log_level: LogLevel,
    /// How long requests may take to finish when the daemon is told to end.
    pub(crate) drain: Duration,
    insecure_registries: Vec<String>,
    registry_mirrors: Vec<String>,
    max_concurrent_downloads: usize,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            labels: config.labels.clone(),
            log_level: config.log_level,
            drain: config.drain,
            insecure_registries: config.insecure_registries.clone(),
            registry_mirrors: config.registry_mirrors.clone(),
            max_concurrent_downloads: config.max_concurrent_downloads,
        }
    }
}

/// The settings that hold now.
#[derive(Debug)]
pub(crate) struct Live(RwLock<Arc<Settings>>);

impl Live {
    pub(crate) fn new(config: &Config) -> Self {
        Self(RwLock::new(Arc::new(config.into())))
    }

    pub(crate) fn get(&self) -> Arc<Settings> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, settings: Settings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

/// Reads the configuration again and obeys it. A wrong one changes nothing.
pub(crate) async fn reload(app: &App, flags: &Flags, level: &Level) {
    let settings = match config::load(flags.clone()) {
        Ok(config) => Settings::from(&config),
        Err(error) => {
            tracing::error!(%error, "the configuration is not reloaded");
            return;
        }
    };
    let registries = app.registries.reload(
        &settings.insecure_registries,
        &settings.registry_mirrors,
        settings.max_concurrent_downloads,
    );
    if let Err(error) = registries {
        tracing::error!(%error, "the configuration is not reloaded");
        return;
    }
    level.set(settings.log_level);
    let id = app.engine_id.clone();
    app.events.publish(event(id, &settings, !app.config.shutdown_containers));
    app.live.set(settings);
    tracing::info!("the configuration is reloaded");
}

/// `reload` with the settings as dockerd writes them.
fn event(id: String, settings: &Settings, live_restore: bool) -> Event {
    let list = |list: &[String]| serde_json::json!(list).to_string();
    Event::new(Kind::Daemon, "reload", id)
        .with("debug", (settings.log_level == LogLevel::Debug).to_string())
        .with("insecure-registries", list(&settings.insecure_registries))
        .with("labels", list(&settings.labels))
        .with("live-restore", live_restore.to_string())
        .with("max-concurrent-downloads", settings.max_concurrent_downloads.to_string())
        .with("name", host::name())
        .with("registry-mirrors", list(&settings.registry_mirrors))
        .with("shutdown-timeout", settings.drain.as_secs().to_string())
}
