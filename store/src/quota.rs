//! Limits of what directories hold: project quotas of the file system that the store is on; quotactl(2), `FS_IOC_FSSETXATTR`.
//!
//! A limited directory is a project of its own, and what comes into it inherits that. The numbers are not kept anywhere: a
//! new project takes one that the file system knows no limit and no use of.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::PoisonError;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::error::{Context, IoError};
use crate::sys::{self, Project};
use crate::{Inner, Store};

/// Numbers of projects are from here up to the double: far from what people count up from 1.
const FIRST: u32 = 1 << 30;
/// Numbers that are tried before it is an error.
const TRIES: u32 = 64;
/// Quotas count in blocks of so many bytes.
const BLOCK: u64 = 512;

impl Store {
    /// Whether what containers and volumes hold can be limited: the file system keeps project quotas.
    #[must_use]
    pub fn has_quotas(&self) -> bool {
        sys::enforces_projects(&self.inner.directory)
    }
}

impl Inner {
    /// Limits what these directories may hold together, in bytes; they are empty yet.
    pub(crate) fn limit(&self, directories: &[&Path], bytes: u64) -> Result<(), IoError> {
        let numbering = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.free_number().on("find a free project for", &self.root)?;
        let blocks = bytes.div_ceil(BLOCK);
        sys::set_project(&self.directory, &Project { number, blocks, used: 0 })
            .on(&format!("quotactl(Q_XSETQLIM, {number}, {blocks} blocks) of"), &self.root)?;
        drop(numbering);
        for directory in directories {
            open(directory)
                .and_then(|file| sys::set_project_of(&file, number))
                .on("ioctl(FS_IOC_FSSETXATTR) of", directory)?;
        }
        Ok(())
    }

    /// Takes back the limit of a directory that is about to be removed, if it has one.
    pub(crate) fn unlimit(&self, directory: &Path) {
        let number = open(directory).and_then(|file| sys::project_of(&file));
        if let Ok(number @ FIRST..) = number {
            // A limit that nobody comes under only takes its number.
            let _ = sys::set_project(&self.directory, &Project { number, blocks: 0, used: 0 });
        }
    }

    fn free_number(&self) -> io::Result<u32> {
        for _ in 0..TRIES {
            let number = FIRST + rand::random_range(0..FIRST);
            match sys::project(&self.directory, number) {
                Ok(Project { blocks: 0, used: 0, .. }) | Err(Errno::NOENT) => return Ok(number),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("every number that was tried is in use"))
    }
}

fn open(directory: &Path) -> Result<impl AsFd + use<>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, directory, flags, Mode::empty())
}
