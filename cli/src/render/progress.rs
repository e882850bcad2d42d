//! Progress of a pull: a bar a layer on a terminal, plain lines elsewhere.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};

use api_spec::progress::Message;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A step that is measured, in the docker CLI's looks, and one that is not.
const BAR: &str = "{prefix}: {msg:<11} [{bar:40}] {decimal_bytes:>9}/{decimal_total_bytes}";
const BAR_CHARACTERS: &str = "=> ";
const LINE: &str = "{prefix}: {msg}";

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    Stderr,
    Nowhere,
}

/// Shows the messages of one progress stream.
#[derive(Debug)]
pub(crate) struct Progress {
    target: Target,
    /// Only on a terminal.
    bars: Option<MultiProgress>,
    by_id: HashMap<String, ProgressBar>,
    /// Lines that belong below the bars.
    below: Vec<String>,
}

impl Progress {
    pub(crate) fn new(target: Target) -> Self {
        let bars = match target {
            Target::Stdout if io::stdout().is_terminal() => Some(ProgressDrawTarget::stdout()),
            Target::Stderr if io::stderr().is_terminal() => Some(ProgressDrawTarget::stderr()),
            _ => None,
        };
        let bars = bars.map(MultiProgress::with_draw_target);
        Self { target, bars, by_id: HashMap::new(), below: Vec::new() }
    }

    /// Shows one message.
    pub(crate) fn show(&mut self, message: &Message) {
        let text = match (&message.status, &message.stream) {
            (Some(status), _) => status.as_str(),
            (None, Some(stream)) => stream.trim_end(),
            (None, None) => return,
        };
        let detail = message.progress_detail.as_ref();
        match (&message.id, detail, &self.bars) {
            (Some(id), Some(detail), Some(bars)) => {
                let bar = self.by_id.entry(id.clone()).or_insert_with(|| {
                    let bar = bars.add(ProgressBar::new(0));
                    bar.set_prefix(id.clone());
                    bar
                });
                update(bar, text, detail.current, detail.total);
            }
            // Without a terminal only changes of state are worth a line.
            (Some(_), Some(detail), None) if detail.current.is_some() => {}
            (Some(id), _, _) => self.line(format!("{id}: {text}")),
            (None, _, _) => self.line(text.to_owned()),
        }
    }

    /// Leaves the bars as they are and prints what belongs below them.
    pub(crate) fn finish(mut self) {
        for bar in self.by_id.values() {
            bar.abandon();
        }
        self.bars = None;
        self.by_id.clear();
        for line in std::mem::take(&mut self.below) {
            self.line(line);
        }
    }

    fn line(&mut self, line: String) {
        if !self.by_id.is_empty() {
            self.below.push(line);
            return;
        }
        // A reader that went away ends nothing but its own reading.
        let _ = match self.target {
            Target::Stdout => writeln!(io::stdout(), "{line}"),
            Target::Stderr => writeln!(io::stderr(), "{line}"),
            Target::Nowhere => Ok(()),
        };
    }
}

fn update(bar: &ProgressBar, text: &str, current: Option<u64>, total: Option<u64>) {
    let measured = current.zip(total).filter(|(_, total)| *total > 0);
    let template = if measured.is_some() { BAR } else { LINE };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars(BAR_CHARACTERS));
    }
    if let Some((current, total)) = measured {
        bar.set_length(total);
        bar.set_position(current);
    }
    bar.set_message(text.to_owned());
    bar.tick();
}
