//! GET /containers/{id}/logs
//!
//! Not written yet.

use axum::response::Response;

use crate::http::error::Error;

pub(crate) async fn handle() -> Result<Response, Error> {
    Err(Error::not_implemented("GET /containers/{id}/logs is not implemented yet"))
}
