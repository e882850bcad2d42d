//! POST /containers/{id}/stop
//!
//! Not written yet.

use axum::response::Response;

use crate::http::error::Error;

pub(crate) async fn handle() -> Result<Response, Error> {
    Err(Error::not_implemented("POST /containers/{id}/stop is not implemented yet"))
}
