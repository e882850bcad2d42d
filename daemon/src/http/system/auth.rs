//! `POST /auth` (1.24): are these credentials good for that registry?

use api_spec::auth::{AuthConfig, AuthResponse};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use store::registry::{Code, RegistryError};

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Json;
use crate::http::{credentials, reply};

/// What clients send for Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";

pub(crate) async fn handle(
    State(app): State<App>,
    Json(body): Json<AuthConfig>,
) -> Result<Response, Error> {
    let Some(config) = body else {
        return Err(Error::bad_request("invalid JSON: got EOF while reading request body"));
    };
    let server = Some(config.serveraddress.as_str()).filter(|server| !server.is_empty());
    let server = server.unwrap_or(HUB).to_owned();
    let login = app.registries.login(&server, &credentials::from(config)).await;
    let login = login.map_err(|error| Error::new(status(&error), error))?;
    let answer = AuthResponse {
        status: "Login Succeeded".to_owned(),
        identity_token: login.identity_token.unwrap_or_default(),
    };
    Ok(reply::json(StatusCode::OK, &answer))
}

fn status(error: &RegistryError) -> StatusCode {
    match error {
        RegistryError::Api(error) if matches!(error.code, Code::Unauthorized | Code::Denied) => {
            StatusCode::UNAUTHORIZED
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
