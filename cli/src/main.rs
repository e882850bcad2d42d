//! `jocker`: the command line client of jockerd and of any other daemon with Docker's Engine API.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

mod args;
mod client;
mod commands;
mod options;
mod render;
mod session;
mod terminal;

use args::Cli;
use client::{Client, Host};

/// Exit code of a command line that could not be understood.
const USAGE: u8 = 125;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                ErrorKind::InvalidSubcommand | ErrorKind::MissingRequiredArgument => {
                    ExitCode::FAILURE
                }
                _ => ExitCode::from(USAGE),
            };
        }
    };
    let code = run(cli);
    // Not a return: a thread may still wait for stdin.
    std::process::exit(code)
}

fn run(cli: Cli) -> i32 {
    let Some(command) = cli.command else {
        print!("{}", args::HELP);
        return 0;
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("jocker: cannot start: {error}");
            return 1;
        }
    };
    let result = runtime.block_on(async {
        let host = Host::choose(cli.host, |name| std::env::var(name).ok())?;
        commands::dispatch(&Client::new(host), command).await
    });
    runtime.shutdown_background();
    let _ = std::io::stdout().flush();
    match result {
        Ok(()) => 0,
        Err(failure) => {
            if let Some(text) = failure.text() {
                eprintln!("{text}");
            }
            failure.exit_code()
        }
    }
}
