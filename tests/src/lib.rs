//! The harness of the black-box tests: everything that a test needs to drive a Docker daemon from outside.
//!
//! Nothing here knows Jocker's crates: the daemon is a binary behind a socket. With
//! `JOCKER_TEST_HOST=unix://…` the same tests drive any other Docker daemon, which is how each of
//! them is proven on a real dockerd before ours has to pass it.
//!
//! ```text
//! daemon    Daemon: a private jockerd (or JOCKER_TEST_HOST), its image, its end
//! client    HTTP by hand over the unix socket: requests, streams, hijack, raw bytes
//! docker    the stock CLI (and the `jocker` client), with and without a terminal
//! elsewhere another host beside the test's, and the network inside a container
//! image     images as bytes, made in memory
//! isolation a network namespace for each test
//! network   a network of a test's own
//! registry  a registry in this process, with faults; debian_registry: a real one
//! differ    the same requests to two daemons, and what differs in the answers
//! churn     many clients, random requests, deaths of the daemon, and what must hold afterwards
//! mutant    requests that no client would send
//! monitor   a monitor that plays what was recorded of another build's
//! schema    answers against a description of the API
//! audit     what a daemon may leave behind: mounts, links, namespaces, cgroups, processes, files
//! ```

pub mod audit;
pub mod churn;
pub mod client;
pub mod daemon;
pub mod debian_registry;
pub mod differ;
pub mod docker;
pub mod elsewhere;
pub mod image;
pub mod isolation;
pub mod monitor;
pub mod mutant;
pub mod network;
pub mod packages;
pub mod patience;
pub mod registry;
pub mod schema;
pub mod source;
pub mod stdcopy;

pub use client::{Answer, Client, escaped};
pub use daemon::{Daemon, IMAGE, name};
pub use docker::Run;
pub use network::Network;
pub use patience::{becomes, eventually, now};
