//! The operations of plugins, as a dockerd without any answers them. None can be installed.

use axum::http::{Method, StatusCode};
use axum::response::Response;

use crate::http::error::Error;
use crate::http::extract::{Query, decode};
use crate::http::reply;
use crate::http::router::fits;

/// Keys of the list's filters.
const FILTERS: [&str; 2] = ["capability", "enabled"];

/// Operations on one plugin.
const OPERATIONS: [(Method, &str); 7] = [
    (Method::GET, "/plugins/{name}/json"),
    (Method::DELETE, "/plugins/{name}"),
    (Method::POST, "/plugins/{name}/enable"),
    (Method::POST, "/plugins/{name}/disable"),
    (Method::POST, "/plugins/{name}/upgrade"),
    (Method::POST, "/plugins/{name}/push"),
    (Method::POST, "/plugins/{name}/set"),
];

/// The answer for an operation of plugins; `None` for other paths.
pub(super) fn answer(
    method: &Method,
    path: &str,
    query: &Query,
) -> Option<Result<Response, Error>> {
    match (method.as_str(), path) {
        ("GET", "/plugins") => return Some(list(query)),
        ("GET", "/plugins/privileges") | ("POST", "/plugins/pull" | "/plugins/create") => {
            let text = "plugins are not supported by Jocker";
            return Some(Err(Error::not_implemented(text)));
        }
        _ => {}
    }
    let named = |(known, pattern): &(Method, &'static str)| {
        let name = fits(pattern, path).filter(|_| known == method)?;
        Some((*pattern, name.to_owned()))
    };
    let (pattern, name) = OPERATIONS.iter().find_map(named)?;
    Some(Err(absent(pattern, &name, query)))
}

fn list(query: &Query) -> Result<Response, Error> {
    query.filters()?.validate(&FILTERS)?;
    Ok(reply::json(StatusCode::OK, &Vec::<()>::new()))
}

fn absent(pattern: &str, name: &str, query: &Query) -> Error {
    let name = match decode(name, false) {
        Ok(name) => name,
        Err(error) => return error,
    };
    let timeout = query.text("timeout");
    if pattern.ends_with("/enable") && timeout.parse::<i64>().is_err() {
        let text = format!("strconv.Atoi: parsing {timeout:?}: invalid syntax");
        return Error::bad_request(text);
    }
    let tag = if pattern.ends_with("/upgrade") && !name.contains(':') { ":latest" } else { "" };
    Error::not_found(format!("plugin \"{name}{tag}\" not found"))
}
