//! GET /images/{name}/json
//!
//! Not written yet.

use axum::response::Response;

use crate::http::error::Error;

pub(crate) async fn handle() -> Result<Response, Error> {
    Err(Error::not_implemented("GET /images/{name}/json is not implemented yet"))
}
