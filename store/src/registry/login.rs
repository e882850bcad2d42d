//! `docker login`: are these credentials good for that registry?

use reqwest::StatusCode;

use super::auth::{Authenticator, Credentials};
use super::endpoint::Endpoint;
use super::transport::{Request, Transport, is_success, shown};
use super::{ApiError, Code, Registries, RegistryError, body, challenge};
use crate::reference::DEFAULT_DOMAIN;

/// A login that went well.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// To log in with from now on, if the token service gave one.
    pub identity_token: Option<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

impl Registries {
    /// Shows the credentials to `server`: a host, a URL, or nothing for docker.io.
    ///
    /// # Errors
    /// [`RegistryError::Api`] with status 401 when they are wrong; others when the registry does
    /// not answer as it should.
    pub async fn login(
        &self,
        server: &str,
        credentials: &Credentials,
    ) -> Result<Login, RegistryError> {
        let mut last = RegistryError::protocol(server, "malformed registry address");
        for endpoint in self.endpoints(&domain_of(server)).await {
            if endpoint.mirror {
                continue;
            }
            match login_at(self, &endpoint, credentials).await {
                Err(error @ RegistryError::Network { .. }) => last = error,
                done => return done,
            }
        }
        Err(last)
    }
}

/// The registry's name in what a client sends as the server's address.
fn domain_of(server: &str) -> String {
    let bare = server.trim_start_matches("https://").trim_start_matches("http://");
    match bare.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" | "registry-1.docker.io" | DEFAULT_DOMAIN => {
            DEFAULT_DOMAIN.to_owned()
        }
        host => host.to_owned(),
    }
}

async fn login_at(
    registries: &Registries,
    endpoint: &Endpoint,
    credentials: &Credentials,
) -> Result<Login, RegistryError> {
    let transport = Transport::new(registries, endpoint);
    let auth = Authenticator::new(Some(credentials.clone()), None);
    let url = endpoint.base.join("v2/").map_err(|_| {
        RegistryError::protocol(endpoint.base.to_string(), "malformed registry address")
    })?;
    let mut is_challenged = false;
    loop {
        let authorization = auth.header(&transport).await?;
        let request = Request { authorization, ..Request::get(url.clone()) };
        let response = transport.send(&request).await?;
        let status = response.status();
        if is_success(status) {
            return Ok(Login { identity_token: auth.refresh_token().await });
        }
        let challenges = challenge::of(&response);
        let sent = request.authorization.as_ref();
        if status == StatusCode::UNAUTHORIZED
            && !is_challenged
            && auth.challenged(&url, &challenges, sent).await?
        {
            is_challenged = true;
            continue;
        }
        let body = body::of_error(response).await;
        let unknown = Code::Other("not found".to_owned());
        let mut error = ApiError::new(status.as_u16(), &challenges, &body, unknown, None);
        if error.message.is_empty() {
            error.set_message(&format!("login attempt to {} failed", shown(&url)));
        }
        return Err(error.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_in_many_ways() {
        for server in ["", "https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"] {
            assert_eq!(domain_of(server), "docker.io", "{server}");
        }
        assert_eq!(domain_of("https://reg.example:5000/v2/"), "reg.example:5000");
        assert_eq!(domain_of("localhost:5000"), "localhost:5000");
    }
}
