//! A tar writer for what the embedded image needs: short paths, root's files, time 0. The format is
//! POSIX ustar (pax(1), "ustar Interchange Format").

const BLOCK_BYTES: usize = 512;
const DIRECTORY: u8 = b'5';
const FILE: u8 = b'0';
const LINK: u8 = b'2';
const LINK_MODE: u32 = 0o777;

/// An archive in memory.
#[derive(Debug, Default)]
pub(super) struct Archive(Vec<u8>);

impl Archive {
    pub(super) fn directory(&mut self, path: &str, mode: u32) {
        self.header(path, DIRECTORY, mode, 0, "");
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.header(path, FILE, mode, content.len(), "");
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK_BYTES), 0);
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.header(path, LINK, LINK_MODE, 0, target);
    }

    /// Two empty blocks are the end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK_BYTES, 0);
        self.0
    }

    fn header(&mut self, path: &str, kind: u8, mode: u32, size: usize, target: &str) {
        let mut block = [0_u8; BLOCK_BYTES];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, path.as_bytes());
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{size:011o}").as_bytes());
        put(136, b"00000000000");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend_from_slice(&block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_sum_up() {
        let mut archive = Archive::default();
        archive.file("a", 0o644, b"xyz");
        let bytes = archive.finish();
        assert_eq!(bytes.len(), 4 * BLOCK_BYTES);
        let stored =
            u32::from_str_radix(std::str::from_utf8(&bytes[148..154]).unwrap(), 8).unwrap();
        let mut header = bytes[..BLOCK_BYTES].to_vec();
        header[148..156].fill(b' ');
        assert_eq!(header.iter().map(|byte| u32::from(*byte)).sum::<u32>(), stored);
    }
}
