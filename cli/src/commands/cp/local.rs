//! The local side of a copy: which names go where, files into a tar and out of one.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use api_spec::container::PathStat;

use crate::commands::Failure;

/// The last name of a path; `.` when the content alone is meant, `/` for the root.
pub(super) fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next().unwrap_or_default() {
        "" => "/",
        base => base,
    }
}

/// Directory and name of a path in a container.
pub(super) fn split(path: &str) -> (String, String) {
    let trimmed = path.trim_end_matches('/');
    let (directory, name) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
    (format!("{directory}/"), name.to_owned())
}

/// What is copied from here.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    follow: bool,
    pub(super) is_directory: bool,
    /// The name that it has in a directory that it goes into.
    pub(super) name: String,
}

impl Source {
    pub(super) fn find(text: &str, follow: bool) -> Result<Self, Failure> {
        let path = PathBuf::from(text);
        let failed = Failure::io(format!("lstat {text}"));
        // A slash at the end asks for what a link leads to.
        let by_slash = text.ends_with('/');
        let stat = match follow || by_slash {
            true => fs::metadata(&path),
            false => fs::symlink_metadata(&path),
        };
        let stat = stat.map_err(failed)?;
        if by_slash && !stat.is_dir() {
            return Err(Failure::Message(format!("lstat {text}: not a directory")));
        }
        let name = match base(text) {
            ".." | "/" => ".".to_owned(),
            name => name.to_owned(),
        };
        Ok(Self { path, follow: follow || by_slash, is_directory: stat.is_dir(), name })
    }

    /// Writes it as a tar under `name`.
    pub(super) fn pack(&self, name: &str, into: &mut dyn Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(into);
        tar.follow_symlinks(false);
        if self.is_directory {
            tar.append_dir_all(name, &self.path)?;
        } else if self.follow {
            let mut file = fs::File::open(&self.path)?;
            tar.append_file(name, &mut file)?;
        } else {
            tar.append_path_with_name(&self.path, name)?;
        }
        tar.into_inner()?.flush()
    }
}

/// Where an archive of a container goes.
#[derive(Debug)]
pub(super) struct Plan {
    directory: PathBuf,
    /// The archive's first name and the one to have instead.
    renamed: Option<(String, PathBuf)>,
}

impl Plan {
    /// `seen` is what the archive is of, whose entries begin with its name; `called` is what it was
    /// asked for as, which is the name of a link to it when links are followed.
    pub(super) fn new(target: &str, seen: &PathStat, called: &str) -> Result<Self, Failure> {
        let path = PathBuf::from(target);
        let (name, is_directory) = (&seen.name, seen.is_directory());
        match fs::metadata(&path) {
            Ok(stat) if stat.is_dir() && name == called => {
                return Ok(Self { directory: path, renamed: None });
            }
            Ok(stat) if stat.is_dir() => {
                let renamed = Some((name.clone(), path.join(called)));
                return Ok(Self { directory: path, renamed });
            }
            Ok(_) if is_directory => return Err(Failure::Message("cannot copy directory".into())),
            Err(_) if target.ends_with('/') && !is_directory => {
                return Err(Failure::Message(format!("no such directory: {target}")));
            }
            _ => {}
        }
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        let directory = above.map_or_else(|| PathBuf::from("."), Path::to_owned);
        fs::metadata(&directory).map_err(Failure::io(format!("stat {}", directory.display())))?;
        Ok(Self { directory, renamed: Some((name.clone(), path)) })
    }

    /// Unpacks the archive; its bytes.
    pub(super) fn unpack(&self, from: &mut impl Read) -> io::Result<u64> {
        let mut counting = Counting { from, count: 0 };
        let staging = match &self.renamed {
            None => None,
            Some(_) => Some(self.staging()?),
        };
        let into = staging.as_deref().unwrap_or(&self.directory);
        let unpacked = self.unpack_into(&mut counting, into);
        if let (Some((name, to)), Some(staging)) = (&self.renamed, &staging) {
            let placed = unpacked.and_then(|()| match name.as_str() {
                "." | "/" | ".." => fs::rename(staging, to),
                name => fs::rename(staging.join(name), to),
            });
            // Gone already when it was the whole.
            let _ = fs::remove_dir_all(staging);
            placed?;
        } else {
            unpacked?;
        }
        Ok(counting.count)
    }

    fn unpack_into(&self, from: &mut impl Read, into: &Path) -> io::Result<()> {
        let mut tar = tar::Archive::new(&mut *from);
        tar.set_preserve_permissions(true);
        tar.unpack(into)?;
        io::copy(from, &mut io::sink()).map(drop)
    }

    /// A directory of our own beside the target, which becomes the target when all is there.
    fn staging(&self) -> io::Result<PathBuf> {
        let path = self.directory.join(format!(".jocker-cp-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(path)
    }
}

struct Counting<'a, R> {
    from: &'a mut R,
    count: u64,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!((base("/a/b/"), base("a/."), base("/")), ("b", ".", "/"));
        assert_eq!(split("/a/b/"), ("/a/".to_owned(), "b".to_owned()));
        assert_eq!(split("b"), ("/".to_owned(), "b".to_owned()));
    }
}
