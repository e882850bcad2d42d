//! Pulls from registries: Debian's, and one of these tests' own that can lie, break and refuse.

mod auth;
mod child;
mod crash;
mod faults;
mod faulty;
mod images;
mod plain;
mod proxy;
mod registry;
mod secure;
mod setting;
