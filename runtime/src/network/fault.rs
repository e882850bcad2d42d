//! Steps that fail because a test says so, to prove that each of them is taken back: `JOCKER_FAIL_AT` is how the text of
//! such a step begins. It is read once; without it a step costs one load and a branch.

use std::io;
use std::sync::OnceLock;

use super::NetworkError;

/// The variable that names the step.
const VARIABLE: &str = "JOCKER_FAIL_AT";

static FAIL_AT: OnceLock<Option<String>> = OnceLock::new();

/// Fails when the environment names this step.
pub(super) fn check(step: &str) -> Result<(), NetworkError> {
    let wanted = FAIL_AT.get_or_init(|| std::env::var(VARIABLE).ok().filter(|it| !it.is_empty()));
    if wanted.as_ref().is_some_and(|wanted| step.starts_with(wanted.as_str())) {
        let source = io::Error::from_raw_os_error(libc::EIO);
        return Err(NetworkError::Call { call: step.to_owned(), source });
    }
    Ok(())
}
