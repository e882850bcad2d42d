//! What a layer may ask for. A real image comes nowhere near; an archive made to exhaust a disk,
//! the memory or the kernel's patience is answered with an error that names the limit.

/// Bounds of one layer.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Headers in the archive, extension headers included, and directories made without one.
    pub(crate) entries: u64,
    /// Bytes of the archive, and apart from that the sum of its files' sizes, holes included.
    pub(crate) bytes: u64,
    /// Bytes of the paths of directories made without an entry, in sum.
    pub(crate) implied_bytes: u64,
    /// Bytes of a path and of a link's target; Linux's `PATH_MAX` without the final zero.
    pub(crate) path_bytes: usize,
    /// Names in a path.
    pub(crate) path_depth: usize,
    /// Bytes of a name; Linux's `NAME_MAX`.
    pub(crate) name_bytes: usize,
    /// Bytes of one extension header, all extended attributes included.
    pub(crate) extension_bytes: u64,
    /// Extended attributes of one entry.
    pub(crate) xattrs: usize,
    /// Data regions of one sparse file.
    pub(crate) sparse_regions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 1 << 20,
            bytes: 256 << 30,
            implied_bytes: 16 << 20,
            path_bytes: 4095,
            path_depth: 1024,
            name_bytes: 255,
            extension_bytes: 1 << 20,
            xattrs: 128,
            sparse_regions: 1 << 16,
        }
    }
}
