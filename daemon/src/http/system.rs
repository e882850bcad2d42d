//! Endpoints of the daemon itself: one a file.

pub(crate) mod auth;
pub(crate) mod df;
pub(crate) mod info;
pub(crate) mod ping;
pub(crate) mod version;
