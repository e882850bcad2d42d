//! Endpoints under /images: one a file.

pub(crate) mod create;
pub(crate) mod history;
mod import;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod load;
mod progress;
pub(crate) mod prune;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod save;
pub(crate) mod search;
pub(crate) mod tag;
