//! The log file and its older parts: `name`, `name.1` (the latest of them) to `name.<n - 1>`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Mode of log files.
const MODE: u32 = 0o640;

/// The file that is written to.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    file: fs::File,
    size: u64,
    max_size: Option<u64>,
    max_file: u32,
}

impl File {
    pub(super) fn open(path: PathBuf, max_size: Option<u64>, max_file: u32) -> io::Result<Self> {
        let file = open(&path, false)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size, max_size: max_size.filter(|max| *max > 0), max_file })
    }

    /// Whether the file, with so many bytes more, is to be rotated before the next entry.
    pub(super) fn is_full(&self, more: usize) -> bool {
        self.max_size.is_some_and(|max| self.size + more as u64 >= max)
    }

    /// Begins a new file. If that fails, the old one is written on.
    pub(super) fn rotate(&mut self) {
        // A file that is missing in the row is no obstacle to the others.
        let older = |number: u32| -> PathBuf {
            if number == 0 {
                return self.path.clone();
            }
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            name.into()
        };
        for number in (1..self.max_file).rev() {
            let _ = fs::rename(older(number - 1), older(number));
        }
        if let Ok(file) = open(&self.path, self.max_file < 2) {
            self.file = file;
            self.size = 0;
        }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.file.write_all(bytes).is_ok() {
            self.size += bytes.len() as u64;
        }
    }
}

fn open(path: &Path, truncate: bool) -> io::Result<fs::File> {
    let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    if truncate {
        file.set_len(0)?;
    }
    Ok(file)
}
