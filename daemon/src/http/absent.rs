//! What Docker's API has and this daemon has not: an answer that says so, rather than that there is no
//! such page. The endpoints of a swarm are answered as by a dockerd outside one.

use axum::http::{Method, StatusCode};

use crate::http::error::Error;
use crate::http::router::fits;

/// Operations of Docker's API without an endpoint here: method and path.
const NOT_YET: &[(Method, &str)] = &[
    (Method::POST, "/build"),
    (Method::POST, "/build/prune"),
    (Method::GET, "/containers/{id}/attach/ws"),
    (Method::GET, "/images/search"),
    (Method::GET, "/networks"),
    (Method::POST, "/networks/create"),
    (Method::POST, "/networks/prune"),
    (Method::GET, "/networks/{id}"),
    (Method::DELETE, "/networks/{id}"),
    (Method::POST, "/networks/{id}/connect"),
    (Method::POST, "/networks/{id}/disconnect"),
    (Method::GET, "/plugins"),
    (Method::GET, "/plugins/{name}"),
    (Method::POST, "/plugins/{name}"),
    (Method::DELETE, "/plugins/{name}"),
    (Method::POST, "/session"),
    (Method::POST, "/swarm/init"),
    (Method::POST, "/swarm/join"),
    (Method::PUT, "/volumes/{id}"),
];

/// First segments of the paths that only a swarm's manager serves.
const SWARM: [&str; 6] = ["configs", "nodes", "secrets", "services", "swarm", "tasks"];

const NO_MANAGER: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker \
    swarm join\" to connect this node to swarm and try again.";

/// The error for a path (without version) that no endpoint has.
pub(crate) fn answer(method: &Method, path: &str) -> Error {
    let known =
        |(absent, pattern): &&(Method, &str)| absent == method && fits(pattern, path).is_some();
    if NOT_YET.iter().any(|operation| known(&operation)) {
        return Error::not_implemented(format!("{method} {path} is not supported by Jocker yet"));
    }
    let first = path.trim_start_matches('/').split('/').next();
    if first.is_some_and(|first| SWARM.contains(&first)) {
        return Error::new(StatusCode::SERVICE_UNAVAILABLE, NO_MANAGER);
    }
    Error::page_not_found()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::router::Router;

    #[test]
    fn what_is_there_is_not_absent() {
        let router = Router::new();
        for (method, pattern) in NOT_YET {
            let path = pattern.replace("{id}", "x").replace("{name}", "x/y");
            let found = router.find(method, &path).map(|(endpoint, _)| format!("{endpoint:?}"));
            // `/containers/prune` and the like look like a name to a row of another meaning.
            assert_ne!(found, Some(format!("{method} {pattern}")));
        }
    }

    #[test]
    fn answers_by_what_is_asked_for() {
        let status = |method, path| answer(&method, path).status.as_u16();
        assert_eq!(status(Method::POST, "/containers/x/pause/it"), 404);
        assert_eq!(status(Method::POST, "/session"), 501);
        assert_eq!(status(Method::GET, "/nodes"), 503);
        assert_eq!(status(Method::GET, "/nowhere"), 404);
    }
}
