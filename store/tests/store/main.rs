//! The store as its callers use it: on a real file system, as root.

mod check;
mod fixture;
mod images;
mod implied;
mod layers;
mod layout;
mod power;
mod records;
mod recovery;
mod removal;
mod snapshots;
#[expect(dead_code, reason = "the unit tests of layers use the rest")]
#[path = "../../src/layer/specimen.rs"]
mod specimen;
