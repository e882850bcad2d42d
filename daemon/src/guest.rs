//! The program that runs inside containers: `docker-init` for `--init`, and the commands of the embedded
//! image. Made and packed by the build script from `guest/`.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

/// A gzip member; RFC 1952. Ends with the checksum and the length of what it holds, 4 bytes each.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest.gz"));

/// The static binary; what it does depends on the name it is called by.
pub(crate) fn program() -> io::Result<Vec<u8>> {
    let mut program = Vec::new();
    GzDecoder::new(PACKED).read_to_end(&mut program)?;
    Ok(program)
}

/// Puts the program in a directory from where it can be bound, unless it is there. Each build's has a name of its own: a
/// running container keeps the one that it has.
pub(crate) fn put_into(directory: &Path) -> io::Result<PathBuf> {
    let path = directory.join(format!("docker-init-{}", checksum()));
    if !path.exists() {
        let new = path.with_extension("new");
        fs::write(&new, program()?)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o555))?;
        fs::rename(&new, &path)?;
    }
    Ok(path)
}

/// In hexadecimal digits.
fn checksum() -> String {
    let [.., a, b, c, d, _, _, _, _] = PACKED else { return String::new() };
    hex::encode([a, b, c, d].map(|byte| *byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_put_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = put_into(directory.path()).unwrap();
        assert!(fs::read(&path).unwrap().starts_with(b"\x7fELF"));
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(put_into(directory.path()).unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
