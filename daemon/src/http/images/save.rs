//! `GET /images/get` and `GET /images/{name}/get` (1.24): images as one tar.

use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::http::transfer;

const TAR: &str = "application/x-tar";

pub(crate) async fn several(
    State(app): State<App>,
    api: Api,
    query: Query,
) -> Result<Response, Error> {
    let names = query.all("names").map(str::to_owned).collect();
    save(app, names, api, &query).await
}

pub(crate) async fn one(
    State(app): State<App>,
    api: Api,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    save(app, vec![name], api, &query).await
}

async fn save(app: App, names: Vec<String>, api: Api, query: &Query) -> Result<Response, Error> {
    let platforms = super::archived_platforms(query, api)?;
    let chosen = app.images.chosen(names, platforms).await?;
    Ok(transfer::write(TAR, move |into| app.images.save(&chosen, into)))
}
