//! Pulls from registries: Debian's, and one of these tests' own that can lie, break and refuse.

mod auth;
mod faults;
mod faulty;
mod images;
mod plain;
mod registry;
mod secure;
mod setting;
