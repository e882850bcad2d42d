//! Endpoints under /containers: one a file.

pub(crate) mod attach;
pub(crate) mod create;
pub(crate) mod inspect;
pub(crate) mod kill;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod remove;
pub(crate) mod resize;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod wait;
