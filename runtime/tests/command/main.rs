//! The command line as its callers see it: the built binary, real containers of one static program.
//! They need root; without it they say so and pass.

mod bed;
mod concurrent;
mod defences;
mod errors;
mod fields;
mod hooks;
mod life;
mod mounts;
mod namespaces;
mod notify;
mod plan;
mod terminal;
