//! Answers that stream progress, one JSON object a line, while a job runs. The job ends when the
//! client goes.

use std::pin::Pin;

use api_spec::progress::Message;
use axum::response::Response;
use tokio::sync::mpsc;

use crate::http::error::Error;
use crate::http::extract::Api;
use crate::http::reply::{self, Gone, Sender};
use crate::images;

/// What ends each line of a progress stream.
const LINE_END: &str = "\r\n";
/// API 1.52 dropped the error's second spelling.
const ERROR_FIELD_UNTIL: u32 = 52;

/// A job on its way, and what became of it.
pub(super) type Job = Pin<Box<dyn Future<Output = Outcome> + Send>>;
pub(super) type Outcome = Result<(), images::Error>;

/// When a failure is an HTTP error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Before the first line.
    Early,
    /// Never: it is always the last line.
    Never,
}

/// Answers with the job's lines; the head goes out with the first one, or at the job's end.
pub(super) async fn respond(
    api: Api,
    mut job: Job,
    mut progress: mpsc::Receiver<Message>,
    failure: Failure,
) -> Result<Response, Error> {
    let mut outcome = None;
    let first = tokio::select! {
        biased;
        first = progress.recv() => first,
        done = &mut job => {
            outcome = Some(done);
            progress.try_recv().ok()
        }
    };
    if first.is_none() && outcome.is_none() {
        // There will be no line any more.
        outcome = Some((&mut job).await);
    }
    if first.is_none()
        && failure == Failure::Early
        && let Some(Err(failed)) = outcome
    {
        return Err(failed.into());
    }
    let (sender, response) = reply::stream(reply::JSON);
    tokio::spawn(async move {
        // An error only says that the client has gone; the job is dropped then.
        let Ok(outcome) = send_all(first, progress, job, outcome, &sender).await else { return };
        if let Err(failed) = outcome {
            let mut last = Message::error(Error::from(failed).message);
            if api.since(ERROR_FIELD_UNTIL) {
                last.error = None;
            }
            let _ = sender.send_json(&last, LINE_END).await;
        }
    });
    Ok(response)
}

/// Sends lines until the job has ended and all its lines are out; what became of it.
async fn send_all(
    first: Option<Message>,
    mut progress: mpsc::Receiver<Message>,
    mut job: Job,
    mut outcome: Option<Outcome>,
    lines: &Sender,
) -> Result<Outcome, Gone> {
    if let Some(first) = first {
        lines.send_json(&first, LINE_END).await?;
    }
    while outcome.is_none() {
        tokio::select! {
            biased;
            Some(line) = progress.recv() => lines.send_json(&line, LINE_END).await?,
            done = &mut job => outcome = Some(done),
            () = lines.closed() => return Err(Gone),
        }
    }
    while let Ok(line) = progress.try_recv() {
        lines.send_json(&line, LINE_END).await?;
    }
    Ok(outcome.unwrap_or(Err(images::Error::Stopped)))
}
