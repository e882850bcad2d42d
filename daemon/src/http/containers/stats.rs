//! GET /containers/{id}/stats, since 1.17; `one-shot` since 1.41.

use api_spec::container::StatsResponse;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::http::reply;

/// API 1.41 brought `one-shot`.
const ONE_SHOT_SINCE: u32 = 41;
/// API 1.52 brought `os_type`.
const OS_TYPE_SINCE: u32 = 52;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let streams = query.get("stream").is_none() || query.flag("stream");
    let one_shot = api.since(ONE_SHOT_SINCE) && query.flag("one-shot");
    if streams && one_shot {
        return Err(Error::bad_request("cannot have stream=true and one-shot=true"));
    }
    let handle = app.containers.resolve(&name)?;
    let shape = move |stats| StatsResponse {
        os_type: if api.since(OS_TYPE_SINCE) { "linux".to_owned() } else { String::new() },
        ..stats
    };
    let runs = handle.snapshot().progress.state.running().is_some();
    if !streams {
        let stats = match runs && !one_shot {
            false => app.containers.stats_now(&handle).await?,
            true => {
                // The use of a processor shows between two samples.
                let mut watched = app.containers.watch_stats(&handle);
                watched.next().await;
                let gone = || Error::not_found(format!("No such container: {name}"));
                watched.next().await.ok_or_else(gone)?
            }
        };
        return Ok(reply::json(StatusCode::OK, &shape(stats)));
    }
    let mut watched = app.containers.watch_stats(&handle);
    let (sender, response) = reply::stream(reply::JSON);
    tokio::spawn(async move {
        loop {
            let next = tokio::select! {
                next = watched.next() => next,
                () = sender.closed() => return,
            };
            let Some(stats) = next else { return };
            if sender.send_json(&shape(stats), "\n").await.is_err() {
                return;
            }
        }
    });
    Ok(response)
}
