//! `GET /events` (1.24): what happened, one JSON object a line, as it happens.

use std::future::pending;
use std::sync::Arc;

use api_spec::events::Message;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::events::selection::Selection;
use crate::events::time;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::reply::{self, Gone, Sender};

/// API 1.52 dropped `status`, `id` and `from`.
const LEGACY_UNTIL: u32 = 52;

/// What one client wants.
struct Stream {
    selection: Selection,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    legacy: bool,
    lines: Sender,
}

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    query: Query,
) -> Result<Response, Error> {
    let now = Timestamp::now();
    let time = |key| -> Result<Option<Timestamp>, Error> {
        let text = Some(query.text(key)).filter(|text| !text.is_empty());
        text.map(|text| time::parse(text, now)).transpose().map_err(Error::bad_request)
    };
    let (since, until) = (time("since")?, time("until")?);
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(Error::bad_request(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            query.text("since"),
            query.text("until")
        )));
    }
    let selection = Selection::new(query.filters()?);
    let (lines, response) = reply::stream(reply::JSON);
    let (past, live) = app.events.subscribe();
    let legacy = !api.since(LEGACY_UNTIL);
    let stream = Stream { selection, since, until, legacy, lines };
    tokio::spawn(async move {
        // An error only says that the client has gone.
        let _ = stream.run(past, live).await;
    });
    Ok(response)
}

impl Stream {
    async fn run(
        self,
        past: Vec<Arc<Message>>,
        mut live: Receiver<Arc<Message>>,
    ) -> Result<(), Gone> {
        if self.since.is_some() || self.until.is_some() {
            for event in past {
                self.send(&event).await?;
            }
        }
        let mut end = std::pin::pin!(self.end());
        loop {
            tokio::select! {
                () = &mut end => return Ok(()),
                () = self.lines.closed() => return Err(Gone),
                event = live.recv() => match event {
                    Ok(event) => self.send(&event).await?,
                    Err(RecvError::Lagged(lost)) => {
                        // A stream that ends says more than one with a hole in it.
                        tracing::warn!(lost, "a client of /events is too slow and is let go");
                        return Ok(());
                    }
                    Err(RecvError::Closed) => return Ok(()),
                },
            }
        }
    }

    async fn send(&self, event: &Message) -> Result<(), Gone> {
        let at = i128::from(event.time_nano);
        let early = self.since.is_some_and(|since| at < since.as_nanosecond());
        let late = self.until.is_some_and(|until| at > until.as_nanosecond());
        if early || late || !self.selection.contains(event) {
            return Ok(());
        }
        if self.legacy {
            return self.lines.send_json(event, "\n").await;
        }
        self.lines.send_json(&event.clone().without_legacy(), "\n").await
    }

    /// Ends at `until`, if there is one.
    async fn end(&self) {
        let Some(until) = self.until else {
            return pending().await;
        };
        let left = until.duration_since(Timestamp::now());
        tokio::time::sleep(left.try_into().unwrap_or_default()).await;
    }
}
