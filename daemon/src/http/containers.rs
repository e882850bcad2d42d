//! Endpoints under /containers: one a file.

pub(crate) mod archive;
pub(crate) mod attach;
pub(crate) mod attach_ws;
pub(crate) mod changes;
pub(crate) mod create;
mod endpoints;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod kill;
pub(crate) mod list;
pub(crate) mod logs;
mod older;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod prune;
pub(crate) mod remove;
pub(crate) mod rename;
pub(crate) mod resize;
pub(crate) mod restart;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod stop;
pub(crate) mod timeline;
pub(crate) mod top;
pub(crate) mod unpause;
pub(crate) mod update;
pub(crate) mod wait;

use axum::http::StatusCode;
use axum::response::Response;
use runtime::StepErrorKind;

use crate::containers;
use crate::http::error::Error;
use crate::http::extract::Query;
use crate::http::reply;

impl From<containers::Error> for Error {
    fn from(error: containers::Error) -> Self {
        use containers::Error as E;
        let status = match &error {
            E::NoContainer(_)
            | E::NoImage(_)
            | E::WrongPlatform(_)
            | E::NoExec(_)
            | E::NoFile { .. } => StatusCode::NOT_FOUND,
            E::Invalid(_) => StatusCode::BAD_REQUEST,
            E::Conflict(_) | E::NameTaken { .. } => StatusCode::CONFLICT,
            E::Forbidden(_) => StatusCode::FORBIDDEN,
            E::Network { status, .. } => *status,
            E::Volume(error) => error.status(),
            E::Unsupported { .. } => StatusCode::NOT_IMPLEMENTED,
            E::Start(step) | E::ExecStart(step) => match step.kind {
                StepErrorKind::Other => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            },
            E::NoSpace(_) => StatusCode::INSUFFICIENT_STORAGE,
            E::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error)
    }
}

/// Runs what waits for the disk off the task threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, containers::Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(Error::internal)??)
}

/// 204, or 304 if nothing had to be done.
fn done(outcome: containers::Outcome) -> Response {
    reply::empty(match outcome {
        containers::Outcome::Done => StatusCode::NO_CONTENT,
        containers::Outcome::NotModified => StatusCode::NOT_MODIFIED,
    })
}

/// The signal that a query names, if it does; `refused` begins the answer to one that is none.
fn signal(query: &Query, refused: &str) -> Result<Option<i32>, Error> {
    let text = query.text("signal");
    let unknown = || Error::bad_request(format!("{refused}: invalid signal: {text}"));
    match text {
        "" => Ok(None),
        text => containers::parse_signal(text).map(Some).ok_or_else(unknown),
    }
}

/// The streams that a query asks for.
fn streams(query: &Query) -> containers::Streams {
    containers::Streams {
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
    }
}

/// Rows and columns of a query's `h` and `w`.
pub(crate) fn size(query: &Query) -> Result<(u16, u16), Error> {
    let side = |key| -> Result<u16, Error> {
        let number: i64 = match query.number(key)? {
            Some(number) => number,
            None => return Err(Error::bad_request("strconv.Atoi: parsing \"\": invalid syntax")),
        };
        u16::try_from(number)
            .map_err(|_| Error::bad_request(format!("invalid terminal size: {key}={number}")))
    };
    Ok((side("h")?, side("w")?))
}
