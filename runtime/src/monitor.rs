//! The monitor: one small process a container (and an exec) that holds the standard streams, writes
//! the log, waits for the program, records its exit, and serves clients on a socket of its own. It
//! outlives the daemon.

pub mod protocol;
