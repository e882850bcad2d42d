//! POST /exec/{id}/resize
//!
//! Not written yet.

use axum::response::Response;

use crate::http::error::Error;

pub(crate) async fn handle() -> Result<Response, Error> {
    Err(Error::not_implemented("POST /exec/{id}/resize is not implemented yet"))
}
