//! What Docker's API has and this daemon has not: an answer that says so, rather than that there is no
//! such page. What only a swarm's manager or a plugin can do is answered as by a dockerd that has neither.

mod plugins;
mod swarm;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use jiff::Timestamp;

use crate::events::time;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::reply;
use crate::http::router::fits;

/// Operations of Docker's API without an endpoint here: method and path.
const NOT_YET: &[(Method, &str)] = &[(Method::POST, "/build"), (Method::POST, "/session")];
/// What dockerd may be asked of build caches by.
const CACHE_FILTERS: [&str; 8] =
    ["description", "id", "inuse", "parent", "private", "shared", "type", "until"];

/// The answer for a path (without version) that no endpoint has; `None`: Docker has no such page either.
pub(crate) fn answer(
    method: &Method,
    path: &str,
    query: &Query,
    api: Api,
) -> Option<Result<Response, Error>> {
    let known =
        |(absent, pattern): &&(Method, &str)| absent == method && fits(pattern, path).is_some();
    if NOT_YET.iter().any(|operation| known(&operation)) {
        let text = format!("{method} {path} is not supported by Jocker yet");
        return Some(Err(Error::not_implemented(text)));
    }
    if (method, path) == (&Method::POST, "/build/prune") {
        return Some(prune_cache(query));
    }
    plugins::answer(method, path, query)
        .or_else(|| swarm::answer(method, path, query, api).map(Err))
}

/// There is no build cache, so there is nothing to remove: `docker system prune` asks, too.
fn prune_cache(query: &Query) -> Result<Response, Error> {
    let filters = query.filters()?;
    let refused = |why: &str| Error::bad_request(format!("failed to prune build cache: {why}"));
    filters.validate(&CACHE_FILTERS).map_err(|error| refused(&error.to_string()))?;
    if CACHE_FILTERS.iter().any(|key| filters.get(key).count() > 1) {
        return Err(refused("filters expect only one value"));
    }
    let until = filters.get("until").next();
    if let Some(text) = until.filter(|text| time::parse(text, Timestamp::now()).is_err()) {
        return Err(refused(&format!(
            "\"until\" filter expects a duration (e.g., '24h') or a timestamp: failed to parse \
             value as time or duration: {text:?}"
        )));
    }
    let pruned = serde_json::json!({ "CachesDeleted": null, "SpaceReclaimed": 0 });
    Ok(reply::json(StatusCode::OK, &pruned))
}

#[cfg(test)]
mod tests {
    use api_spec::version::ApiVersion;

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
        let status = |method, target: &str| {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let query = Query::parse(query).unwrap();
            let answer = answer(&method, path, &query, Api(ApiVersion::new(1, 45)))?;
            Some(answer.map_or_else(|error| error.status, |response| response.status()).as_u16())
        };
        assert_eq!(status(Method::POST, "/containers/x/pause/it"), None);
        assert_eq!(status(Method::POST, "/session"), Some(501));
        assert_eq!(status(Method::POST, "/build/prune?all=1"), Some(200));
        assert_eq!(status(Method::GET, "/nodes"), Some(503));
        assert_eq!(status(Method::GET, "/nodes?filters=x"), Some(400));
        assert_eq!(status(Method::POST, "/nodes/x/update?version=x"), Some(400));
        assert_eq!(status(Method::POST, "/nodes/x/update?version=1"), Some(503));
        assert_eq!(status(Method::POST, "/swarm/init"), Some(501));
        assert_eq!(status(Method::PUT, "/volumes/x"), Some(503));
        assert_eq!(status(Method::GET, "/plugins"), Some(200));
        assert_eq!(status(Method::GET, "/plugins/a/b:1/json"), Some(404));
        assert_eq!(status(Method::POST, "/plugins/pull"), Some(501));
        assert_eq!(status(Method::GET, "/nowhere"), None);
        assert_eq!(status(Method::GET, "/swarmed"), None);
    }
}
