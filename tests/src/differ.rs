//! The differential tester: plays the same requests against two daemons and tells where the
//! answers differ. It decides nothing about who is right: what may differ is listed, with reasons.
//!
//! ```text
//! scenario  the requests, read from text files
//! play      one scenario against one daemon: a list of answers
//! compare   two answers: status, head, and the shape and values of the body
//! allow     the differences that may be, each with its reason
//! ```

mod allow;
mod compare;
mod play;
mod scenario;

use std::fmt;
use std::sync::OnceLock;

pub use allow::Allowances;
pub use compare::{Difference, Kind};
pub use play::{fresh_name, play};
pub use scenario::{Scenario, Step, parse};
use serde_json::json;

use crate::image::{Compression, Flavour, Image, PATH, busybox_files};

/// The image that scenarios run, under the same name and id on both sides.
pub const IMAGE: &str = "jocker-differ:latest";

/// An image with a bit of everything that an image may say.
pub fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let settings = json!({
            "Cmd": ["sh"],
            "Env": [PATH, "FROM=image"],
            "ExposedPorts": {"8080/tcp": {}},
            "Labels": {"from": "image"},
            "StopSignal": "SIGTERM",
            "WorkingDir": "/tmp",
        });
        Image::new(Flavour::Oci, vec![busybox_files().layer(Compression::Gzip)], &settings)
    })
}

/// What a scenario showed: every difference that no allowance covers.
#[derive(Debug, Default)]
pub struct Report {
    /// Scenario, request, difference.
    pub lines: Vec<(String, String, Difference)>,
    /// How many pairs of answers were compared.
    pub compared: usize,
}

impl Report {
    /// Compares what both sides answered to `scenario` in API version `version`.
    pub fn add(
        &mut self,
        scenario: &Scenario,
        version: &str,
        answers: (&[play::Seen], &[play::Seen]),
        allowed: &Allowances,
    ) {
        for (theirs, ours) in answers.0.iter().zip(answers.1) {
            self.compared += 1;
            for difference in compare::compare(theirs, ours) {
                if !allowed.covers(&theirs.request, &difference) {
                    let title = format!("{} (v{version})", scenario.title);
                    let request = format!("{} {}", theirs.request, theirs.sent);
                    self.lines.push((title, request, difference));
                }
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for (title, request, difference) in &self.lines {
            if last != title {
                writeln!(f, "== {title}")?;
                last = title;
            }
            writeln!(f, "  {request}\n    {difference}")?;
        }
        write!(f, "{} answers compared, {} differences", self.compared, self.lines.len())
    }
}
