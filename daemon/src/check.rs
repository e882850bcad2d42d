//! `jockerd check`: looks at a data root that no daemon uses, and repairs it when asked to.
//!
//! Exit status: 0 when all is in order, or was brought into order; 1 when something is broken; 2
//! when it cannot be said.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use store::check::{Checked, check};

/// The first argument that leads here.
pub(crate) const ARGUMENT: &str = "check";
/// What the daemon's own help says of it.
pub(crate) const HELP: &str = "jockerd check [--repair] [--data-root DIR] verifies all images \
    and containers of a data root that no daemon uses; see jockerd check --help";

const BROKEN: u8 = 1;
const UNKNOWN: u8 = 2;

/// Verify every blob, layer, row and file of a data root that no daemon uses.
///
/// Exit status: 0 in order (or repaired), 1 broken, 2 cannot be said.
#[derive(Debug, Parser)]
#[command(name = "jockerd check", max_term_width = 100)]
struct CheckFlags {
    /// Drop what is broken, so that the next pull brings it again; mend what can be mended here
    #[arg(long)]
    repair: bool,

    /// Where images and containers are kept
    #[arg(long, value_name = "DIR", default_value = "/var/lib/jocker")]
    data_root: PathBuf,
}

pub(crate) fn main() -> ExitCode {
    let arguments = std::env::args_os().enumerate().filter(|(at, _)| *at != 1);
    let flags = match CheckFlags::try_parse_from(arguments.map(|(_, argument)| argument)) {
        Ok(flags) => flags,
        Err(error) => {
            // Nobody listens when this fails.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(UNKNOWN) } else { ExitCode::SUCCESS };
        }
    };
    match check(&flags.data_root, flags.repair) {
        Ok(checked) => {
            if let Err(error) = report(&checked, &mut std::io::stdout().lock()) {
                eprintln!("jockerd check: {error}");
                return ExitCode::from(UNKNOWN);
            }
            if checked.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) }
        }
        Err(error) => {
            eprintln!("jockerd check: {error}");
            ExitCode::from(UNKNOWN)
        }
    }
}

/// One line a finding, one an image to pull again, one in sum.
fn report(checked: &Checked, out: &mut impl Write) -> std::io::Result<()> {
    for finding in &checked.findings {
        writeln!(out, "{finding}")?;
    }
    for name in &checked.to_pull {
        writeln!(out, "to be pulled again: {name}")?;
    }
    let Checked { blobs, bytes, layers, images, containers, .. } = checked;
    let broken = checked.findings.len();
    writeln!(
        out,
        "checked {images} images, {layers} layers, {blobs} blobs ({bytes} bytes), {containers} \
         containers: {broken} broken"
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        CheckFlags::command().debug_assert();
    }

    #[test]
    fn a_report_says_what_and_how_much() {
        let mut checked = Checked { images: 2, blobs: 7, bytes: 90, ..Checked::default() };
        checked.to_pull.insert("docker.io/library/busybox:latest".to_owned());
        let mut text = Vec::new();
        report(&checked, &mut text).expect("memory");
        let text = String::from_utf8(text).expect("text");
        assert_eq!(
            text,
            "to be pulled again: docker.io/library/busybox:latest\n\
             checked 2 images, 0 layers, 7 blobs (90 bytes), 0 containers: 0 broken\n"
        );
    }
}
