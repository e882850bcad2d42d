//! The daemon's log: lines of text or JSON on standard error, where systemd's journal takes them.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::config::{Config, LogFormat, LogLevel};

/// Crates whose lines are logged at the configured level; the others' only from warnings on.
const OWN_CRATES: [&str; 3] = ["jockerd", "store", "runtime"];

/// Warns of every attribute that a newer kernel has and it does not know.
const NOISY_CRATE: &str = "netlink_packet_route";

/// The level that is logged at, to be changed.
#[derive(Debug)]
pub(crate) struct Level(reload::Handle<Targets, Registry>);

impl Level {
    /// Logs at another level from now on.
    pub(crate) fn set(&self, level: LogLevel) {
        // Fails only when nothing is logged any more.
        let _ = self.0.reload(targets(level));
    }
}

fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let ours = OWN_CRATES.map(|name| (name, level));
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(ours)
        .with_target(NOISY_CRATE, LevelFilter::ERROR)
}

/// Starts logging. Called once.
pub(crate) fn start(config: &Config) -> Level {
    let (wanted, handle) = reload::Layer::new(targets(config.log_level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(wanted);
    match config.log_format {
        LogFormat::Text => registry.with(lines).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    Level(handle)
}
