//! The program: its working directory, its path, and the exec that ends init.

use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, FileType, accessat, stat};
use rustix::io::Errno;
use rustix::process::{chdir, getcwd};

use super::resolve::{self, Leaf};
use crate::error::{Attempt, StepError, StepErrorKind};
use crate::plan::Process;

/// Searched when the environment has no `PATH`; execvp(3).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What execve(2) is called with.
#[derive(Debug)]
pub(super) struct Program {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

/// Makes the working directory if the plan says so.
pub(super) fn make_directory(root: BorrowedFd<'_>, process: &Process) -> Result<(), StepError> {
    if process.make_cwd && process.cwd != Path::new("/") {
        resolve::make(root, &process.cwd, Leaf::Directory)
            .map_err(|error| error.kind(StepErrorKind::BadCwd))?;
    }
    Ok(())
}

/// Enters a directory of the container, and checks that it is one: a path that leads out of the root
/// by a leaked descriptor is seen by getcwd(2) as "(unreachable)".
pub(super) fn change_directory(cwd: &Path) -> Result<(), StepError> {
    const STEP: &str = "working directory";
    chdir(cwd)
        .attempt(STEP, || format!("chdir({cwd:?})"))
        .map_err(|error| error.kind(StepErrorKind::BadCwd))?;
    let here = getcwd(Vec::new())
        .attempt(STEP, || format!("getcwd() in {cwd:?}"))
        .map_err(|error| error.kind(StepErrorKind::BadCwd))?;
    if here.as_bytes().starts_with(b"/") {
        return Ok(());
    }
    let why = format!("{cwd:?} is outside of the container's root");
    Err(StepError::refused(STEP, why, StepErrorKind::BadCwd))
}

/// Finds the program the way a shell does, as the user that will run it.
pub(super) fn find(process: &Process, home: Option<&str>) -> Result<Program, StepError> {
    let name = process.args.first().map_or("", String::as_str);
    let path = if name.contains('/') {
        check(name).map_err(|errno| refusal(name, errno, true))?;
        name.to_owned()
    } else {
        search(name, &process.env)?
    };
    let mut env = process.env.clone();
    if !env.iter().any(|variable| variable.starts_with("HOME=")) {
        env.push(format!("HOME={}", home.unwrap_or("/")));
    }
    Ok(Program {
        path: c_string(path)?,
        args: process.args.iter().cloned().map(c_string).collect::<Result<_, _>>()?,
        env: env.into_iter().map(c_string).collect::<Result<_, _>>()?,
    })
}

/// Becomes the program.
pub(super) fn execute(program: &Program) -> Result<Infallible, StepError> {
    nix::unistd::execve(&program.path, &program.args, &program.env).map_err(|errno| {
        let kind = match errno {
            // A missing interpreter or loader; execve(2).
            nix::errno::Errno::ENOENT => StepErrorKind::ExecNotFound,
            nix::errno::Errno::EISDIR => StepErrorKind::ExecIsDirectory,
            nix::errno::Errno::EACCES
            | nix::errno::Errno::EPERM
            | nix::errno::Errno::ENOEXEC
            | nix::errno::Errno::ELIBBAD
            | nix::errno::Errno::ETXTBSY => StepErrorKind::ExecNotExecutable,
            _ => StepErrorKind::Other,
        };
        StepError::call("exec", format!("exec {}", program.path.to_string_lossy()), errno)
            .kind(kind)
    })
}

fn search(name: &str, env: &[String]) -> Result<String, StepError> {
    let path = env.iter().find_map(|variable| variable.strip_prefix("PATH="));
    let mut denied = None;
    for directory in path.unwrap_or(DEFAULT_PATH).split(':').filter(|_| !name.is_empty()) {
        let candidate = format!("{}/{name}", if directory.is_empty() { "." } else { directory });
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::ACCESS) => denied = Some(Errno::ACCESS),
            Err(_) => {}
        }
    }
    Err(match denied {
        Some(errno) => refusal(name, errno, false),
        None => StepError::refused(
            "exec",
            format!("exec: {name:?}: executable file not found in $PATH"),
            StepErrorKind::ExecNotFound,
        ),
    })
}

/// Whether this file may be run by the present user.
fn check(path: &str) -> Result<(), Errno> {
    let found = stat(path)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)?;
    if found.st_mode & 0o111 == 0 { Err(Errno::ACCESS) } else { Ok(()) }
}

fn refusal(name: &str, errno: Errno, is_path: bool) -> StepError {
    let kind = match errno {
        Errno::ISDIR => StepErrorKind::ExecIsDirectory,
        Errno::NOENT | Errno::NOTDIR => StepErrorKind::ExecNotFound,
        _ => StepErrorKind::ExecNotExecutable,
    };
    let call = match kind {
        StepErrorKind::ExecNotFound if is_path => format!("exec: {name:?}: stat {name}"),
        _ => format!("exec: {name:?}"),
    };
    StepError::call("exec", call, errno).kind(kind)
}

fn c_string(text: String) -> Result<CString, StepError> {
    CString::new(text).map_err(|error| {
        let why = format!("{:?} holds a zero byte", String::from_utf8_lossy(&error.into_vec()));
        StepError::refused("exec", why, StepErrorKind::Other)
    })
}
