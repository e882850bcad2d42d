//! A thread that puts the packet filter rules back when something flushed them.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use runtime::network::RuleChanges;

use super::Rules;

/// Changes come in swarms: how long more of them are waited for.
const SETTLE: Duration = Duration::from_millis(50);
/// How long it waits after a failure, and after a repair, so that two programs that fight for the rules
/// do not take up the machine.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts the thread; it ends with the rules' owner, at the next change.
pub(super) fn start(rules: &Arc<Rules>) {
    let changes = match RuleChanges::listen() {
        Ok(changes) => changes,
        Err(error) => {
            return tracing::warn!(%error, "flushed packet filter rules will not be restored");
        }
    };
    let rules = Arc::downgrade(rules);
    let watch = move || watch(&changes, &rules);
    if let Err(error) = thread::Builder::new().name("rules-watch".to_owned()).spawn(watch) {
        tracing::warn!(%error, "flushed packet filter rules will not be restored");
    }
}

fn watch(changes: &RuleChanges, rules: &Weak<Rules>) {
    loop {
        if let Err(error) = changes.wait() {
            tracing::warn!(%error, "changes of packet filter rules are not heard");
            thread::sleep(PAUSE);
        }
        thread::sleep(SETTLE);
        changes.forget();
        let Some(rules) = rules.upgrade() else { return };
        match rules.repair() {
            Ok(false) => continue,
            Ok(true) => tracing::warn!("packet filter rules were changed by somebody; restored"),
            Err(error) => tracing::error!(%error, "packet filter rules are not restored"),
        }
        thread::sleep(PAUSE);
    }
}
