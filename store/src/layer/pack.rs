//! Writes a directory as a tar: names in order, so that the same files give the same bytes; one
//! buffer in memory, whatever the size.
//!
//! In layer form the whiteouts and opaque directories of an overlay's upper directory become the
//! names that the OCI image spec has for them (layer.md, "Whiteouts"). Otherwise a node is what it is.
//!
//! Nothing is followed and nothing but regular files and directories is opened, so a tree that a
//! container changes meanwhile can only give other bytes of its own. What vanishes is left out; a
//! file that shrinks is filled up with zeros. Sockets are left out, as by every tar.

mod header;

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, fstatfs, major, minor, openat,
    readlinkat, statat,
};
use rustix::io::{Errno, read};

use super::archive::{Entry, Kind};
use super::limits::Limits;
use super::metadata;

/// Bytes of a file that are read at once.
const BUFFER: usize = 128 << 10;
/// Kernel file systems that hold no files of a container: shown as empty directories.
/// Source: `<linux/magic.h>`: proc, sysfs, cgroup, cgroup2, securityfs, debugfs, tracefs, bpf.
const KERNEL_FILE_SYSTEMS: [u32; 8] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x7363_6673,
    0x6462_6720,
    0x7472_6163,
    0xcafe_4a11,
];

/// Why a tree cannot be written as a tar.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A system call.
    #[error("{call} {path:?}: {errno}")]
    Call {
        /// Its name.
        call: &'static str,
        /// As in the archive.
        path: String,
        /// What the kernel answered.
        errno: Errno,
    },
    /// A directory that the kernel renamed by reference: its content is elsewhere.
    #[error("directory {0:?} is an overlay redirect (redirect_dir=on), which is not supported")]
    Redirect(String),
    /// Deeper than a path may be.
    #[error("{0:?} lies deeper than {1} directories")]
    TooDeep(String, usize),
    /// The archive cannot be written.
    #[error("write archive: {0}")]
    Write(#[from] io::Error),
}

/// What the nodes of a tree mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Files as they are.
    Plain,
    /// An overlay's upper directory, to be a layer.
    Layer {
        /// A name at the top that is the engine's own, and no part of the layer.
        without: &'static str,
    },
}

/// Whether a file system is the kernel's own: what is below is no file of a container.
///
/// # Errors
/// fstatfs(2).
pub fn is_kernel_file_system(directory: impl AsFd) -> Result<bool, Errno> {
    let kind = fstatfs(directory)?.f_type;
    Ok(KERNEL_FILE_SYSTEMS.iter().any(|known| i64::from(*known) == kind))
}

/// Writes what is below a directory, and with a `name` the directory itself under that name. The
/// archive is whole then.
///
/// # Errors
/// See [`PackError`].
pub fn pack_directory(
    directory: &OwnedFd,
    name: Option<&[u8]>,
    form: Form,
    into: &mut impl Write,
) -> Result<(), PackError> {
    let mut packer = Packer::new(form, into);
    let top = name.unwrap_or_default();
    let opened = reopen(directory.as_fd()).map_err(|errno| failed("open", top, errno))?;
    if let Some(name) = name {
        packer.directory(&opened, name)?;
    }
    packer.tree(opened, top)?;
    packer.finish()
}

/// Writes one node of a directory that is not a directory itself, under the name `name`.
///
/// # Errors
/// See [`PackError`]; `NOENT` when it is not there.
pub fn pack_entry(
    parent: &OwnedFd,
    base: &CStr,
    name: &[u8],
    into: &mut impl Write,
) -> Result<(), PackError> {
    let mut packer = Packer::new(Form::Plain, into);
    let stat = statat(parent, base, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| failed("stat", name, errno))?;
    packer.node(parent, base, name, &stat)?;
    packer.finish()
}

struct Packer<'a, W> {
    form: Form,
    into: &'a mut W,
    /// Where a file with several names was written first.
    links: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
}

struct Level {
    directory: OwnedFd,
    path: Vec<u8>,
    device: u64,
    /// In reverse order.
    names: Vec<CString>,
}

impl<'a, W: Write> Packer<'a, W> {
    fn new(form: Form, into: &'a mut W) -> Self {
        Self { form, into, links: HashMap::new(), buffer: vec![0; BUFFER] }
    }

    fn tree(&mut self, top: OwnedFd, path: &[u8]) -> Result<(), PackError> {
        let depth = Limits::default().path_depth;
        let mut levels = vec![level(top, path.to_vec(), None)?];
        while let Some(level_now) = levels.last_mut() {
            let Some(name) = level_now.names.pop() else {
                levels.pop();
                continue;
            };
            let path = join(&level_now.path, name.to_bytes());
            let Some(below) = self.entry(&level_now.directory, &name, &path)? else { continue };
            let device = level_now.device;
            levels.push(level(below, path.clone(), Some(device))?);
            if levels.len() > depth {
                return Err(PackError::TooDeep(text(&path), depth));
            }
        }
        Ok(())
    }

    /// Writes one entry; a directory is handed back to be gone through.
    fn entry(
        &mut self,
        parent: &OwnedFd,
        name: &CStr,
        path: &[u8],
    ) -> Result<Option<OwnedFd>, PackError> {
        let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            result => result.map_err(|errno| failed("stat", path, errno))?,
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            match self.form {
                Form::Layer { without } if path == without.as_bytes() => {}
                Form::Layer { .. } if metadata::is_whiteout(&stat) => {
                    self.mark(parent_of(path), &[b".wh.", name.to_bytes()].concat())?
                }
                _ => self.node(parent, name, path, &stat)?,
            }
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match openat(parent, name, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            result => result.map_err(|errno| failed("open", path, errno))?,
        };
        self.directory(&directory, path)?;
        Ok(Some(directory))
    }

    fn directory(&mut self, directory: &OwnedFd, path: &[u8]) -> Result<(), PackError> {
        let call = |call| move |errno| failed(call, path, errno);
        let stat = fstat(directory).map_err(call("stat"))?;
        let mut entry = described(path, Kind::Directory, &stat);
        if !entry.path.ends_with(b"/") {
            entry.path.push(b'/');
        }
        entry.xattrs = metadata::wanted_xattrs(directory.as_fd()).map_err(call("getxattr"))?;
        header::write(self.into, &entry)?;
        if self.form == Form::Plain {
            return Ok(());
        }
        if metadata::is_redirect(directory).map_err(call("getxattr"))? {
            return Err(PackError::Redirect(text(path)));
        }
        if metadata::is_opaque(directory).map_err(call("getxattr"))? {
            self.mark(path, b".wh..wh..opq")?;
        }
        Ok(())
    }

    /// Writes an empty file in a directory that says something of the layers below.
    fn mark(&mut self, directory: &[u8], name: &[u8]) -> Result<(), PackError> {
        let entry = Entry {
            path: join(directory, name),
            kind: Kind::File { regions: None },
            mode: 0o600,
            uid: 0,
            gid: 0,
            mtime: (0, 0),
            xattrs: Vec::new(),
            size: 0,
        };
        Ok(header::write(self.into, &entry)?)
    }

    /// Writes what is no directory.
    fn node(
        &mut self,
        parent: &OwnedFd,
        name: &CStr,
        path: &[u8],
        stat: &Stat,
    ) -> Result<(), PackError> {
        let call = |call| move |errno| failed(call, path, errno);
        let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => return self.file(parent, name, path),
            FileType::Symlink => match readlinkat(parent, name, Vec::new()) {
                Err(Errno::NOENT | Errno::INVAL) => return Ok(()),
                target => Kind::Symlink(target.map_err(call("readlink"))?.into_bytes()),
            },
            FileType::CharacterDevice => Kind::Character(major, minor),
            FileType::BlockDevice => Kind::Block(major, minor),
            FileType::Fifo => Kind::Fifo,
            _ => return Ok(()),
        };
        if let Some(first) = self.first_name(stat, path) {
            return self.link(path, first, stat);
        }
        Ok(header::write(self.into, &described(path, kind, stat))?)
    }

    fn file(&mut self, parent: &OwnedFd, name: &CStr, path: &[u8]) -> Result<(), PackError> {
        let call = |call| move |errno| failed(call, path, errno);
        let file = match open_file(parent, name) {
            Err(Errno::NOENT | Errno::LOOP) => return Ok(()),
            result => result.map_err(call("open"))?,
        };
        // Of the file that is open, whatever the name is now.
        let Some(file) = file else { return Ok(()) };
        let stat = fstat(&file).map_err(call("stat"))?;
        if let Some(first) = self.first_name(&stat, path) {
            return self.link(path, first, &stat);
        }
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let mut entry = described(path, Kind::File { regions: None }, &stat);
        entry.size = size;
        entry.xattrs = metadata::wanted_xattrs(file.as_fd()).map_err(call("getxattr"))?;
        header::write(self.into, &entry)?;
        let mut left = size;
        while left > 0 {
            let length = BUFFER.min(usize::try_from(left).unwrap_or(BUFFER));
            let mut count = rustix::io::retry_on_intr(|| read(&file, &mut self.buffer[..length]))
                .map_err(call("read"))?;
            if count == 0 {
                self.buffer[..length].fill(0);
                count = length;
            }
            self.into.write_all(&self.buffer[..count])?;
            left -= count as u64;
        }
        Ok(header::pad(self.into, size)?)
    }

    /// The name under which this node is in the archive already.
    fn first_name(&mut self, stat: &Stat, path: &[u8]) -> Option<Vec<u8>> {
        if stat.st_nlink < 2 {
            return None;
        }
        let key = (stat.st_dev, stat.st_ino);
        let first = self.links.get(&key).cloned();
        if first.is_none() {
            self.links.insert(key, path.to_vec());
        }
        first
    }

    fn link(&mut self, path: &[u8], first: Vec<u8>, stat: &Stat) -> Result<(), PackError> {
        Ok(header::write(self.into, &described(path, Kind::Hardlink(first), stat))?)
    }

    fn finish(self) -> Result<(), PackError> {
        header::finish(self.into)?;
        Ok(self.into.flush()?)
    }
}

fn level(directory: OwnedFd, path: Vec<u8>, above: Option<u64>) -> Result<Level, PackError> {
    let call = |call| {
        let path = &path;
        move |errno| failed(call, path, errno)
    };
    let device = fstat(&directory).map_err(call("stat"))?.st_dev;
    let is_other = above != Some(device);
    let mut names = Vec::new();
    if !(is_other && is_kernel_file_system(&directory).map_err(call("statfs"))?) {
        for entry in Dir::read_from(&directory).map_err(call("readdir"))? {
            let name = entry.map_err(call("readdir"))?.file_name().to_owned();
            if !matches!(name.as_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
    }
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(Level { directory, path, device, names })
}

/// Opens a regular file for reading; None for anything else, which is not opened: to open a device
/// is to do something.
fn open_file(parent: &OwnedFd, name: &CStr) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let location = openat(parent, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&location)?.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let path = format!("/proc/self/fd/{}", location.as_raw_fd());
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map(Some)
}

fn reopen(directory: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(directory, ".", flags, Mode::empty())
}

fn described(path: &[u8], kind: Kind, stat: &Stat) -> Entry {
    Entry {
        path: path.to_vec(),
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid.into(),
        gid: stat.st_gid.into(),
        mtime: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or_default()),
        xattrs: Vec::new(),
        size: 0,
    }
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    match path {
        b"" => name.to_vec(),
        path if path.ends_with(b"/") => [path, name].concat(),
        path => [path, b"/", name].concat(),
    }
}

fn parent_of(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b"", |slash| &path[..slash])
}

fn failed(call: &'static str, path: &[u8], errno: Errno) -> PackError {
    PackError::Call { call, path: text(path), errno }
}

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests;
