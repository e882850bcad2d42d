//! The two endpoints that came before the Docker API: run and exec in one request each.

pub(crate) mod exec;
pub(crate) mod run;
