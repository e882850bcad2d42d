//! `jockerd`: the daemon.
//!
//! `http` speaks Docker's API; the services (`containers`, `images`, `networks`, `events`, `logs`)
//! decide; `spec` translates Docker's configuration into the OCI spec. [`boot`] brings them up.

mod app;
mod boot;
mod check;
mod config;
mod containers;
mod engine;
mod events;
mod guest;
mod host;
mod http;
mod images;
mod listen;
mod logging;
mod logs;
mod metrics;
mod networks;
mod offline;
mod pidfile;
mod quiet;
mod reload;
mod shutdown;
mod size;
mod spec;
mod streams;
mod volumes;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use clap::error::ErrorKind;

use crate::config::flags::Flags;

/// Threads that run tasks; blocking work has its own.
const MAX_WORKERS: usize = 8;

fn main() -> ExitCode {
    let is_launcher = |argument| argument == runtime::launch::LAUNCHER_ARGUMENT;
    if std::env::args_os().nth(1).is_some_and(is_launcher) {
        runtime::launch::launcher_main();
    }
    runtime::memory::keep_one_heap();
    if std::env::args_os().nth(1).is_some_and(|argument| argument == check::ARGUMENT) {
        return check::main();
    }
    if std::env::args_os().nth(1).is_some_and(|argument| argument == offline::ARGUMENT) {
        return offline::main();
    }
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => return bad_flags(&error),
    };
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jockerd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> anyhow::Result<()> {
    let validate = flags.validate;
    let config = config::load(flags.clone())?;
    if validate {
        println!("configuration OK");
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        anyhow::bail!("root is needed: namespaces, mounts and control groups are root's");
    }
    let level = logging::start(&config);
    let foundations = boot::lay(&config)?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    let tasks = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("jockerd-task")
        .enable_all()
        .build()
        .context("start of the task threads")?;
    let result = tasks.block_on(boot::run(config, flags, level, foundations));
    tasks.shutdown_background();
    Ok(result?)
}

/// Help and version as asked for; anything else is one line.
fn bad_flags(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        print!("{}", error.render());
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    eprintln!("jockerd: {line}; see 'jockerd --help'");
    ExitCode::FAILURE
}
