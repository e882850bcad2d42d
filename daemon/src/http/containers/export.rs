//! GET /containers/{id}/export, since 1.0: the whole root file system as a tar.

use axum::extract::State;
use axum::response::Response;

use super::blocking;
use crate::app::App;
use crate::containers::Containers;
use crate::http::error::Error;
use crate::http::extract::Name;
use crate::http::transfer;

/// As dockerd calls it.
const BYTES: &str = "application/octet-stream";

pub(crate) async fn handle(State(app): State<App>, Name(name): Name) -> Result<Response, Error> {
    let handle = app.containers.resolve(&name)?;
    let root = blocking(move || {
        let root = app.containers.root(&handle)?;
        app.containers.tell(&handle, "export", &[]);
        Ok(root)
    });
    let root = root.await?;
    Ok(transfer::write(BYTES, move |into| Containers::export(&root, into)))
}
