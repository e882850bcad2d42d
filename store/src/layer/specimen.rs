//! Archives for tests, written block by block: names, sizes and records as nobody's tool would
//! let one write them.

use tar::Header;

/// An archive in the making.
#[derive(Debug, Default, Clone)]
pub(crate) struct Specimen(Vec<u8>);

impl Specimen {
    /// A header of a type with a name, unchecked; `change` sets what else there is.
    pub(crate) fn header(self, kind: u8, name: &[u8], change: impl FnOnce(&mut Header)) -> Self {
        self.entry(kind, name, &[], change)
    }

    /// A header and its data.
    pub(crate) fn entry(
        mut self,
        kind: u8,
        name: &[u8],
        data: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkflag[0] = kind;
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.data(data)
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        self.entry(b'0', name.as_bytes(), data, |_| {})
    }

    pub(crate) fn directory(self, name: &str, mode: u32) -> Self {
        self.header(b'5', name.as_bytes(), |header| header.set_mode(mode))
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.link(b'2', name, target)
    }

    pub(crate) fn hardlink(self, name: &str, target: &str) -> Self {
        self.link(b'1', name, target)
    }

    fn link(self, kind: u8, name: &str, target: &str) -> Self {
        self.header(kind, name.as_bytes(), |header| {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        })
    }

    pub(crate) fn device(self, kind: u8, name: &str, major: u32, minor: u32) -> Self {
        self.header(kind, name.as_bytes(), |header| {
            header.set_device_major(major).expect("gnu header");
            header.set_device_minor(minor).expect("gnu header");
        })
    }

    /// A PAX header of this type (`x` or `g`) with these records.
    pub(crate) fn pax(self, kind: u8, records: &[(&str, &[u8])]) -> Self {
        let mut bytes = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest..).find(|n| rest + n.to_string().len() == *n).expect("a length");
            bytes.extend_from_slice(format!("{length} {key}=").as_bytes());
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
        self.entry(kind, b"pax", &bytes, |_| {})
    }

    /// Data, padded to a block.
    pub(crate) fn data(mut self, data: &[u8]) -> Self {
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// The archive with its end.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut bytes = self.0;
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    /// The archive without its end.
    pub(crate) fn cut(self) -> Vec<u8> {
        self.0
    }
}
