//! The one program of ours that runs inside containers, under two kinds of names: `docker-init` is process 1
//! of a container made with `--init`; every other name is a command of the embedded image.
//!
//! The daemon's build script compiles it, without dependencies and linked statically, because a container's root
//! file system has no libraries to offer. The daemon carries it.

mod hello;
mod init;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name {
        "docker-init" => init::main(),
        name => hello::main(name),
    }
}
