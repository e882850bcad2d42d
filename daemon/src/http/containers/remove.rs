//! DELETE /containers/{id}, since 1.0; with `link`, DELETE /containers/{name}/{alias} takes a link away.

use axum::extract::State;
use axum::response::Response;

use super::done;
use crate::app::App;
use crate::containers;
use crate::http::error::Error;
use crate::http::extract::{Name, Query};

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    if query.flag("link") {
        let bare = name.trim_start_matches('/');
        let Some((name, alias)) = bare.split_once('/') else {
            let why = "Conflict, cannot remove the default link name of the container";
            return Err(Error::internal(why));
        };
        let handle = app.containers.resolve(name);
        let handle = handle.map_err(|_| containers::Error::NoContainer(bare.to_owned()))?;
        return Ok(done(handle.unlink(alias).await?));
    }
    let handle = app.containers.resolve(&name)?;
    Ok(done(handle.remove(query.flag("force"), query.flag("v")).await?))
}
