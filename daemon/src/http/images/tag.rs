//! POST /images/{name}/tag
//!
//! Not written yet.

use axum::response::Response;

use crate::http::error::Error;

pub(crate) async fn handle() -> Result<Response, Error> {
    Err(Error::not_implemented("POST /images/{name}/tag is not implemented yet"))
}
