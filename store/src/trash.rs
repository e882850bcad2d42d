//! The keeper: one thread that deletes what was renamed into `trash/` and checkpoints the
//! database, off every caller's path.

/// Handle of the keeper's thread.
#[derive(Debug, Default)]
pub(crate) struct Keeper {}

impl Keeper {
    pub(crate) fn written(&self) {}
}
