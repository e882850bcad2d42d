//! The Docker Engine API as data: the types on the wire, API versions, filters, stdcopy frames and
//! progress messages. Nothing here does I/O, nothing is asynchronous, and every crate that speaks
//! or serves the API depends on it.

pub mod auth;
pub mod container;
pub mod error;
pub mod events;
pub mod exec;
pub mod filters;
pub mod gojson;
pub mod image;
pub mod network;
pub mod pattern;
pub mod progress;
pub mod stdcopy;
pub mod system;
pub mod usage;
pub mod version;
pub mod volume;
