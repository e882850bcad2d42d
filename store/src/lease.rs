//! Leases: while one is alive nothing is freed, so that a pull may rely on blobs and layers that
//! no row names yet.

use std::sync::Arc;

use crate::Inner;

/// Puts freeing off until it is dropped.
#[derive(Debug)]
pub struct Lease {
    inner: Arc<Inner>,
    name: String,
}
