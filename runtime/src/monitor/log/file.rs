//! The log file and its older parts: `name`, `name.1` (the latest of them) to `name.<n - 1>`; with
//! compression the older ones are `name.<k>.gz`. Parts are compressed by a child of the monitor: the
//! container does not wait, unless the next part is full before that is done.
//!
//! A reader that has a part open finds it again after compression: the comment in the gzip header
//! is the inode number that it had.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::sys::{self, clone::Side};

/// Mode of log files.
const MODE: u32 = 0o640;

/// The file that is written to.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    file: fs::File,
    size: u64,
    limits: Limits,
    /// The child that compresses the part before.
    compressor: Option<OwnedFd>,
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// A file of so many bytes is rotated before the next entry.
    pub(super) max_size: Option<u64>,
    /// The current one among them.
    pub(super) max_file: u32,
    pub(super) compress: bool,
}

impl File {
    pub(super) fn open(path: PathBuf, limits: Limits) -> io::Result<Self> {
        let file = open(&path)?;
        let size = file.metadata()?.len();
        let max_size = limits.max_size.filter(|max| *max > 0);
        Ok(Self { path, file, size, limits: Limits { max_size, ..limits }, compressor: None })
    }

    /// Bytes in the current one.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the file, with so many bytes more, is to be rotated before the next entry.
    pub(super) fn is_full(&self, more: usize) -> bool {
        let size = self.size + more as u64;
        self.limits.max_size.is_some_and(|max| size >= max && size > 0)
    }

    /// Begins a new file. If that fails, the old one is written on.
    pub(super) fn rotate(&mut self) {
        self.await_compressor(WaitIdOptions::EXITED);
        // A file that is missing in the row is no obstacle to the others.
        let oldest = self.limits.max_file.saturating_sub(1);
        let _ = fs::remove_file(self.part(oldest, ""));
        let _ = fs::remove_file(self.part(oldest, ".gz"));
        for number in (1..=oldest).rev() {
            let _ = fs::rename(self.part(number - 1, ""), self.part(number, ""));
            if self.limits.compress && number > 1 {
                let _ = fs::rename(self.part(number - 1, ".gz"), self.part(number, ".gz"));
            }
        }
        if let Ok(file) = open(&self.path) {
            self.file = file;
            self.size = 0;
            if self.limits.compress && oldest > 0 {
                self.compress();
            }
        }
    }

    /// All of it or nothing: what a full disk cuts off would spoil the entry after it.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.await_compressor(WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        match self.file.write_all(bytes) {
            Ok(()) => self.size += bytes.len() as u64,
            Err(error) => {
                // If even that fails, the entry after it is spoilt, and readers pass over it.
                let _ = self.file.set_len(self.size);
                return Err(error);
            }
        }
        Ok(())
    }

    fn part(&self, number: u32, end: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        if number > 0 {
            name.push(format!(".{number}{end}"));
        } else {
            name.push(end);
        }
        name.into()
    }

    /// Has the latest part compressed. If that fails it stays as it is.
    fn compress(&mut self) {
        let from = self.part(1, "");
        if let Ok(Side::Parent { pidfd, .. }) = sys::clone::clone(0, None).map(|side| match side {
            Side::Child => std::process::exit(i32::from(compress(&from).is_err())),
            parent @ Side::Parent { .. } => parent,
        }) {
            self.compressor = Some(pidfd);
        }
    }

    fn await_compressor(&mut self, how: WaitIdOptions) {
        let Some(pidfd) = &self.compressor else { return };
        if !matches!(waitid(WaitId::PidFd(pidfd.as_fd()), how), Ok(None)) {
            self.compressor = None;
        }
    }
}

/// Replaces `path` by `path.gz`. Runs in a process of its own, which holds nothing of the container
/// open.
fn compress(path: &Path) -> io::Result<()> {
    let name = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let from = fs::File::open(path)?;
    let inode = from.metadata()?.ino();
    let options = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).clone();
    let to = options.open(name(".gz.tmp"))?;
    rustix::stdio::dup2_stdin(&from)?;
    rustix::stdio::dup2_stdout(&to)?;
    // Their numbers are closed with all others: streams of the container must end when it ends.
    std::mem::forget((from, to));
    sys::process::close_from(3)?;
    let gz = GzBuilder::new().comment(inode.to_string());
    let mut writer = gz.write(Standard, Compression::fast());
    io::copy(&mut Standard, &mut writer)?;
    writer.finish()?.flush()?;
    fs::rename(name(".gz.tmp"), name(".gz"))?;
    fs::remove_file(path)
}

/// Standard input and output, without the buffers of std.
struct Standard;

impl Read for Standard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(rustix::stdio::stdin(), buffer)?)
    }
}

impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Never what a link leads to.
fn open(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(MODE).custom_flags(libc::O_NOFOLLOW).open(path)
}
