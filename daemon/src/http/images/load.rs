//! `POST /images/load` (1.24): images out of one tar, the request's body. What fails is the
//! stream's last line, as in dockerd.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use tokio::sync::mpsc;

use super::progress::{self, Failure};
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::transfer;
use crate::images;
use crate::images::pull::PROGRESS_QUEUE;

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    query: Query,
    body: Body,
) -> Result<Response, Error> {
    // Absent means quiet: only who asks for progress gets it.
    let platforms = super::archived_platforms(&query, api)?;
    let quiet = query.get("quiet").is_none() || query.flag("quiet");
    let (lines, line_receiver) = mpsc::channel(PROGRESS_QUEUE);
    let job = Box::pin(async move {
        let (feed, archive) = transfer::reader();
        let load = tokio::task::spawn_blocking(move || {
            app.images.load(archive, &platforms, quiet, &lines)
        });
        feed.all_of(body).await;
        load.await.map_err(|_| images::Error::Stopped)?
    });
    progress::respond(api, job, line_receiver, Failure::Never).await
}
