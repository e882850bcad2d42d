//! DELETE /images/{name}
//!
//! Not written yet.

use axum::response::Response;

use crate::http::error::Error;

pub(crate) async fn handle() -> Result<Response, Error> {
    Err(Error::not_implemented("DELETE /images/{name} is not implemented yet"))
}
