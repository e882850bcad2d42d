//! The kernel's settings of the calling thread's network namespace, below `/proc/sys`.

use std::{fs, io};

use super::{NetworkError, fault};

/// Sets one. Reads first: the file may be read-only where it has the value already.
pub(super) fn set(name: &str, value: &str) -> Result<(), NetworkError> {
    if read(name)? == value {
        return Ok(());
    }
    let path = path(name);
    fault::check(&format!("write({path}"))?;
    fs::write(&path, value).map_err(|source| failed(&format!("write({path}, {value})"), source))
}

/// Reads one.
pub(super) fn read(name: &str) -> Result<String, NetworkError> {
    let path = path(name);
    let text = fs::read_to_string(&path).map_err(|source| failed(&format!("read({path})"), source));
    Ok(text?.trim().to_owned())
}

/// The names below one, such as interfaces.
pub(super) fn names(below: &str) -> Result<Vec<String>, NetworkError> {
    let path = path(below);
    let entries =
        fs::read_dir(&path).map_err(|source| failed(&format!("opendir({path})"), source))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

fn path(name: &str) -> String {
    format!("/proc/sys/{name}")
}

fn failed(call: &str, source: io::Error) -> NetworkError {
    NetworkError::Call { call: call.to_owned(), source }
}
