//! The archive: pages as they come, and behind them one that says what they are and what is not there.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use crate::commands::{Failure, Outcome};

/// Longest page, in bytes; of a longer one the end is kept.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
const README: &str = "README.txt";
const HEAD: &str = "\
What jocker debug gathered for the report of a bug.

Removed: values of environment variables, credentials in URLs, output of health checks, and whatever is
called a password, secret, token or credential. Not removed: names, labels, commands, paths and addresses.
Look before you pass it on. There is no output of containers in it, and nothing of their files.

";

/// An archive that is being written.
pub(super) struct Bundle {
    archive: tar::Builder<GzEncoder<File>>,
    made: Timestamp,
    there: String,
    missing: String,
}

impl Bundle {
    /// A new file, for its owner alone.
    pub(super) fn new(name: &str, made: Timestamp) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(name);
        let file = file.map_err(Failure::io(format!("make {name}")))?;
        let archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        Ok(Self { archive, made, there: String::new(), missing: String::new() })
    }

    /// Adds a page, or why there is none.
    pub(super) fn add(&mut self, name: &str, what: &str, page: Result<String, String>) -> Outcome {
        match page {
            Ok(text) => {
                self.there += &format!("  {name:34}  {what}\n");
                self.write(name, end_of(&text))
            }
            Err(why) => {
                self.missing += &format!("  {name:34}  {why}\n");
                Ok(())
            }
        }
    }

    /// Writes what is in it, and ends the archive.
    pub(super) fn finish(mut self) -> Outcome {
        let Self { made, there, missing, .. } = &self;
        let mut text = format!("{HEAD}Made at {made}.\n\nThere is:\n{there}");
        if !missing.is_empty() {
            text += &format!("\nNot there, and why:\n{missing}");
        }
        self.write(README, &text)?;
        let ended = self.archive.into_inner().and_then(GzEncoder::finish);
        ended.and_then(|file| file.sync_all()).map_err(Failure::io("write the archive"))
    }

    fn write(&mut self, name: &str, text: &str) -> Outcome {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(u64::try_from(self.made.as_second()).unwrap_or(0));
        let name = format!("jocker-debug/{name}");
        let written = self.archive.append_data(&mut header, name, text.as_bytes());
        written.map_err(Failure::io("write the archive"))
    }
}

/// The end of a text that is too long, from the beginning of a line.
fn end_of(text: &str) -> &str {
    let Some(over) = text.len().checked_sub(MAX_PAGE_BYTES) else { return text };
    let line = text.as_bytes()[over..].iter().position(|byte| *byte == b'\n');
    line.and_then(|at| text.get(over + at + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_page_the_end_is_kept() {
        assert_eq!(end_of("a\nb\n"), "a\nb\n");
        let long = format!("{}\nthe end\n", "x".repeat(MAX_PAGE_BYTES));
        assert_eq!(end_of(&long), "the end\n");
    }
}
