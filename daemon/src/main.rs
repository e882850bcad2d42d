//! `jockerd`: the daemon.

mod app;
mod config;
mod containers;
mod events;
mod http;

fn main() {}
