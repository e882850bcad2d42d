//! Endpoints under /images: one a file.

pub(crate) mod create;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod tag;
