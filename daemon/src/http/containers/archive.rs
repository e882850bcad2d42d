//! HEAD, GET and PUT /containers/{id}/archive, since 1.20: files as a tar, out of a container and in.

use api_spec::container::PathStat;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::blocking;
use crate::app::App;
use crate::containers::{FileSource, Handle};
use crate::http::error::Error;
use crate::http::extract::{Name, Query};
use crate::http::{reply, transfer};

const STAT: &str = "x-docker-container-path-stat";
const TAR: &str = "application/x-tar";

pub(crate) async fn stat(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let source = find(app, name, &query, |_, _| {}).await?;
    let mut response = reply::empty(StatusCode::OK);
    tell(response.headers_mut(), &source.stat)?;
    Ok(response)
}

pub(crate) async fn get(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let told = |app: &App, handle: &_| app.containers.tell(handle, "archive-path", &[]);
    let source = find(app, name, &query, told).await?;
    let stat = source.stat.clone();
    let mut response = transfer::write(TAR, move |into| source.write(into));
    tell(response.headers_mut(), &stat)?;
    Ok(response)
}

/// What the query's path names in a container; `found` is done when it is there.
async fn find(
    app: App,
    name: String,
    query: &Query,
    found: impl FnOnce(&App, &Handle) + Send + 'static,
) -> Result<FileSource, Error> {
    let path = query.text("path").to_owned();
    let source = blocking(move || {
        let handle = app.containers.resolve(&name)?;
        let source = app.containers.find_file(&handle, &name, &path)?;
        found(&app, &handle);
        Ok(source)
    });
    source.await
}

pub(crate) async fn put(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
    body: Body,
) -> Result<Response, Error> {
    let handle = app.containers.resolve(&name)?;
    let path = query.text("path").to_owned();
    let how = (query.flag("noOverwriteDirNonDir"), query.flag("copyUIDGID"));
    let (feed, archive) = transfer::reader();
    let put = blocking(move || app.containers.put_files(&handle, (&name, &path), how, archive));
    let ((), put) = tokio::join!(feed.all_of(body), put);
    put.map(|()| reply::empty(StatusCode::OK))
}

fn tell(headers: &mut HeaderMap, stat: &PathStat) -> Result<(), Error> {
    let json = serde_json::to_vec(stat).map_err(Error::internal)?;
    let value = HeaderValue::try_from(STANDARD.encode(json)).map_err(Error::internal)?;
    headers.insert(STAT, value);
    Ok(())
}
