//! What is to be in the kernel for all bridges: themselves, and the packet filter rules with the published ports.

use std::sync::{Mutex, MutexGuard, PoisonError};

use runtime::network::{self, BridgeConfig, NetworkError, RuleSet};

use super::lease::Lease;
use super::ports::Holds;

/// What the kernel says of a table or map that is not there.
const NO_ENTRY: i32 = rustix::io::Errno::NOENT.raw_os_error();

/// Whoever changes bridges or published ports holds the lock meanwhile.
#[derive(Debug, Default)]
pub(super) struct Rules(Mutex<State>);

#[derive(Debug, Default)]
pub(super) struct State {
    bridges: Vec<BridgeConfig>,
    /// How the kernel tells the rules when they are right.
    rules: RuleSet,
    pub(super) holds: Holds,
}

impl Rules {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a bridge, and keeps it from then on.
    pub(super) fn add(&self, config: BridgeConfig) -> Result<(), NetworkError> {
        let mut state = self.state();
        network::ensure_bridge(&config)?;
        state.rules = RuleSet::now()?;
        state.bridges.push(config);
        Ok(())
    }

    /// Takes a bridge away.
    pub(super) fn remove(&self, name: &str) -> Result<(), NetworkError> {
        let mut state = self.state();
        network::remove_bridge(name)?;
        state.bridges.retain(|config| config.name != name);
        Ok(())
    }

    /// Makes a bridge anew that somebody took down.
    pub(super) fn ensure(&self, name: &str) -> Result<(), NetworkError> {
        let state = self.state();
        let config = state.bridges.iter().find(|config| config.name == name);
        config.map_or(Ok(()), network::ensure_bridge)
    }

    /// Leads a lease's ports to it.
    pub(super) fn publish(&self, lease: &Lease) -> Result<(), NetworkError> {
        if lease.ports.is_empty() {
            return Ok(());
        }
        network::let_hairpin(&lease.host_name)?;
        // One step for those who compare the two, as the release is.
        let mut state = self.state();
        state.holds.lead(&lease.ports);
        match network::publish(&lease.ports) {
            // Somebody flushed the rules a moment ago.
            Err(error) if error.errno() == Some(NO_ENTRY) => state.restore(),
            published => published,
        }
    }

    /// Whether something had to be repaired.
    pub(super) fn repair(&self) -> Result<bool, NetworkError> {
        let state = self.state();
        if network::verify_rules(&state.bridges, &state.rules).unwrap_or(false)
            && network::verify_published(&state.holds.published())?
        {
            return Ok(false);
        }
        state.restore()?;
        Ok(true)
    }

    /// Takes out what an earlier daemon left.
    pub(super) fn settle(&self) -> Result<(), NetworkError> {
        let state = self.state();
        network::restore_published(&state.bridges, &state.holds.published())
    }
}

impl State {
    fn restore(&self) -> Result<(), NetworkError> {
        for config in &self.bridges {
            network::ensure_bridge(config)?;
        }
        network::restore_published(&self.bridges, &self.holds.published())
    }
}
