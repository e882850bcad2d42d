//! Endpoints of exec: one a file.

pub(crate) mod create;
pub(crate) mod inspect;
pub(crate) mod resize;
pub(crate) mod start;
pub(crate) mod timeline;
