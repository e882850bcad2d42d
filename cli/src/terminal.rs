//! The local terminal: its size, and its raw mode, which always ends with its guard.

use std::io::{self, IsTerminal};

use rustix::termios::{self, OptionalActions, Termios};

/// Rows and columns of the terminal on stdout or stdin; `None` without one.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size =
        termios::tcgetwinsize(io::stdout()).or_else(|_| termios::tcgetwinsize(io::stdin())).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Whether stdin is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The terminal on stdin in raw mode: every key goes to the container, none is a signal here.
/// Dropping it brings the former mode back.
#[derive(Debug)]
pub(crate) struct RawMode {
    former: Termios,
}

impl RawMode {
    /// `None` if stdin is no terminal.
    pub(crate) fn enter() -> io::Result<Option<Self>> {
        if !stdin_is_terminal() {
            return Ok(None);
        }
        let former = termios::tcgetattr(io::stdin())?;
        let mut raw = former.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Some(Self { former }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that went away.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.former);
    }
}
