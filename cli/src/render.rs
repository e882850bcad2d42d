//! How things look in a terminal. Pure but for `progress`, which draws.

pub(crate) mod json;
pub(crate) mod list;
pub(crate) mod progress;
pub(crate) mod size;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod time;
