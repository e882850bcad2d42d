//! The operations of a swarm, as a dockerd outside of one answers them. What would make a swarm is
//! refused: this engine runs the containers of one host.

use axum::http::{Method, StatusCode};

use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::router::fits;

const NO_MANAGER: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker \
    swarm join\" to connect this node to swarm and try again.";
const NO_SWARM: &str = "This node is not part of a swarm";
const NO_CLUSTER: &str = "volume update only valid for cluster volumes, but swarm is unavailable";

/// API 1.41 gave the list of services its `status`.
const STATUS_SINCE: u32 = 41;

/// What is looked at before the swarm is.
#[derive(Debug, Clone, Copy)]
enum Check {
    Nothing,
    Filters,
    /// The number of the object that is updated, and the text that refuses it.
    Version(&'static str),
    /// Secrets and configs do not say what is wrong with theirs.
    BareVersion(&'static str),
    Streams,
}

const OPERATIONS: &[(Method, &str, Check)] = &[
    (Method::GET, "/swarm", Check::Nothing),
    (Method::POST, "/swarm/update", Check::Version("swarm")),
    (Method::GET, "/swarm/unlockkey", Check::Nothing),
    (Method::POST, "/swarm/unlock", Check::Nothing),
    (Method::GET, "/nodes", Check::Filters),
    (Method::GET, "/nodes/{id}", Check::Nothing),
    (Method::DELETE, "/nodes/{id}", Check::Nothing),
    (Method::POST, "/nodes/{id}/update", Check::Version("node")),
    (Method::GET, "/services", Check::Filters),
    (Method::POST, "/services/create", Check::Nothing),
    (Method::GET, "/services/{id}", Check::Nothing),
    (Method::DELETE, "/services/{id}", Check::Nothing),
    (Method::POST, "/services/{id}/update", Check::Version("service")),
    (Method::GET, "/services/{id}/logs", Check::Streams),
    (Method::GET, "/tasks", Check::Filters),
    (Method::GET, "/tasks/{id}", Check::Nothing),
    (Method::GET, "/tasks/{id}/logs", Check::Streams),
    (Method::GET, "/secrets", Check::Filters),
    (Method::POST, "/secrets/create", Check::Nothing),
    (Method::GET, "/secrets/{id}", Check::Nothing),
    (Method::DELETE, "/secrets/{id}", Check::Nothing),
    (Method::POST, "/secrets/{id}/update", Check::BareVersion("secret")),
    (Method::GET, "/configs", Check::Filters),
    (Method::POST, "/configs/create", Check::Nothing),
    (Method::GET, "/configs/{id}", Check::Nothing),
    (Method::DELETE, "/configs/{id}", Check::Nothing),
    (Method::POST, "/configs/{id}/update", Check::BareVersion("config")),
];

/// The error for an operation of swarms; `None` for other paths.
pub(super) fn answer(method: &Method, path: &str, query: &Query, api: Api) -> Option<Error> {
    let unavailable = |text| Error::new(StatusCode::SERVICE_UNAVAILABLE, text);
    match (method.as_str(), path) {
        ("POST", "/swarm/init" | "/swarm/join") => {
            let text = "swarm mode is not supported by Jocker: it runs the containers of one host";
            return Some(Error::not_implemented(text));
        }
        ("POST", "/swarm/leave") => return Some(unavailable(NO_SWARM)),
        ("PUT", _) if fits("/volumes/{id}", path).is_some() => {
            return Some(unavailable(NO_CLUSTER));
        }
        _ => {}
    }
    let known = |(known, pattern, _): &&(Method, &str, Check)| {
        known == method && fits(pattern, path).is_some_and(|id| !id.contains('/'))
    };
    let (_, _, check) = OPERATIONS.iter().find(known)?;
    Some(
        refusal(*check, query)
            .or_else(|| status(path, query, api))
            .unwrap_or_else(|| unavailable(NO_MANAGER)),
    )
}

fn refusal(check: Check, query: &Query) -> Option<Error> {
    let version = query.text("version");
    let wrong = version.parse::<u64>().is_err();
    match check {
        Check::Filters => query.filters().err(),
        Check::Version(kind) if wrong => Some(Error::bad_request(format!(
            "invalid {kind} version '{version}': strconv.ParseUint: parsing {version:?}: invalid syntax"
        ))),
        Check::BareVersion(kind) if wrong => {
            Some(Error::bad_request(format!("invalid {kind} version")))
        }
        Check::Streams if !query.flag("stdout") && !query.flag("stderr") => {
            Some(Error::bad_request("Bad parameters: you must choose at least one stream"))
        }
        _ => None,
    }
}

fn status(path: &str, query: &Query, api: Api) -> Option<Error> {
    let value = query.text("status");
    let known =
        ["", "0", "1", "f", "t", "F", "T", "false", "true", "FALSE", "TRUE", "False", "True"];
    (path == "/services" && api.since(STATUS_SINCE) && !known.contains(&value)).then(|| {
        Error::bad_request(format!(
            "invalid value for status: {value}: strconv.ParseBool: parsing {value:?}: invalid syntax"
        ))
    })
}
