//! Launcher, monitor and control groups with real containers: a busybox in a directory root, started
//! by the `launcher` example. Root is needed.

mod bed;
mod exec;
mod groups;
mod start;
mod streams;
mod survive;
mod terminal;
mod unified;
