//! `GET /_ping`, `HEAD /_ping` (1.24): the daemon lives; its headers say what it can do.

use axum::body::Body;
use axum::http::Method;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA};
use axum::response::Response;

/// Builds are the client's own (BuildKit), as dockerd recommends on Linux.
const BUILDER_VERSION: &str = "2";

pub(crate) async fn handle(method: Method) -> Response {
    let body = if method == Method::HEAD { Body::empty() } else { Body::from("OK") };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_TYPE, "text/plain; charset=utf-8");
    set(CACHE_CONTROL, "no-cache, no-store, must-revalidate");
    set(PRAGMA, "no-cache");
    set(HeaderName::from_static("builder-version"), BUILDER_VERSION);
    set(HeaderName::from_static("swarm"), "inactive");
    response
}
