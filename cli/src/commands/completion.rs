//! `jocker completion`

use clap::CommandFactory;

use super::{Failure, Outcome};
use crate::args::{Cli, CompletionArgs};

pub(super) fn completion(args: &CompletionArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "jocker", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::Message(error.to_string()))?;
    super::print(&script)
}
