//! POST /containers/{id}/wait
//!
//! Not written yet.

use axum::response::Response;

use crate::http::error::Error;

pub(crate) async fn handle() -> Result<Response, Error> {
    Err(Error::not_implemented("POST /containers/{id}/wait is not implemented yet"))
}
