//! GET /_ping
//!
//! Not written yet.

use axum::response::Response;

use crate::http::error::Error;

pub(crate) async fn handle() -> Result<Response, Error> {
    Err(Error::not_implemented("GET /_ping is not implemented yet"))
}
