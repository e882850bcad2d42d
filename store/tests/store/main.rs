//! The store as its callers use it: on a real file system, as root.

mod check;
mod corpus;
mod fixture;
mod images;
mod implied;
mod layers;
mod layout;
mod loads;
mod power;
mod records;
mod recovery;
mod removal;
mod room;
mod snapshots;
#[path = "../../src/layer/specimen.rs"]
mod specimen;
