//! `GET /version` (1.24): the engine, its parts and the API versions that it speaks.

use api_spec::system::{Component, Platform, Version};
use api_spec::version::{MAX, MIN};
use axum::http::StatusCode;
use axum::response::Response;

use crate::host;
use crate::http::reply;

pub(crate) async fn handle() -> Response {
    let version = env!("CARGO_PKG_VERSION");
    let kernel = host::kernel_version();
    let details = [
        ("ApiVersion", MAX.to_string()),
        ("Arch", host::go_architecture().to_owned()),
        ("Experimental", false.to_string()),
        ("KernelVersion", kernel.clone()),
        ("MinAPIVersion", MIN.to_string()),
        ("Os", "linux".to_owned()),
    ];
    let engine = Component {
        name: "Engine".to_owned(),
        version: version.to_owned(),
        details: details.map(|(name, value)| (name.to_owned(), value)).into(),
    };
    let answer = Version {
        platform: Platform { name: "Jocker".to_owned() },
        components: vec![engine],
        version: version.to_owned(),
        api_version: MAX,
        min_api_version: MIN,
        git_commit: String::new(),
        go_version: String::new(),
        os: "linux".to_owned(),
        arch: host::go_architecture().to_owned(),
        kernel_version: kernel,
        build_time: String::new(),
    };
    reply::json(StatusCode::OK, &answer)
}
