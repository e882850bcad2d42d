//! Where errors go: standard error, and the file that `--log` names, in one of runc's two formats.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::error::CommandError;

/// The log of one call.
#[derive(Debug, Default)]
pub(super) struct Report {
    file: Option<File>,
    json: bool,
}

/// Prints an answer and a line feed. Who reads no further has what they want.
pub(super) fn show(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.as_ref());
}

impl Report {
    /// Opens the log. Without a file, standard error is all there is.
    pub(super) fn open(path: Option<&str>, format: Option<&str>) -> Result<Self, CommandError> {
        let json = match format {
            None | Some("text" | "") => false,
            Some("json") => true,
            Some(other) => {
                return Err(CommandError::Usage(format!("invalid log-format: {other:?}")));
            }
        };
        let open = |path: &str| {
            let file = OpenOptions::new().append(true).create(true).open(path);
            file.map_err(CommandError::io(format!("open log file {path:?}")))
        };
        let file = path.filter(|path| !path.is_empty()).map(open).transpose()?;
        Ok(Self { file, json })
    }

    /// Reports a failure; returns the exit status.
    pub(super) fn fail(&self, error: &CommandError, status: u8) -> ExitCode {
        let message = error.to_string();
        let line = self.line(&message);
        match &self.file {
            Some(file) => {
                let mut file: &File = file;
                // Standard error has it in any case.
                let _ = file.write_all(line.as_bytes());
                eprintln!("{message}");
            }
            None => eprint!("{line}"),
        }
        ExitCode::from(status)
    }

    fn line(&self, message: &str) -> String {
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        if self.json {
            let line = json!({"level": "error", "msg": message, "time": time.to_string()});
            return format!("{line}\n");
        }
        format!("time=\"{time}\" level=error msg={message:?}\n")
    }
}
