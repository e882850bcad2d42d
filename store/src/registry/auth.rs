//! Who we are to a registry: answers to its challenges, and the token until it expires.
//!
//! RFC 7617 (basic), RFC 6750 (bearer), and the distribution project's token specification. A
//! challenge is learnt from the first 401 and answered ahead of time from then on.

use std::fmt;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;

use super::RegistryError;
use super::challenge::Challenge;
use super::token::{Token, TokenService};
use super::transport::{Transport, shown};

/// What a user may log in with. `Debug` shows none of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// For basic authentication and for token services.
    pub username: String,
    /// Belongs to the user name.
    pub password: String,
    /// A refresh token of an earlier login; goes before user name and password.
    pub identity_token: Option<String>,
    /// A bearer token to be sent as it is.
    pub registry_token: Option<String>,
}

impl Credentials {
    /// Nothing in it: as good as no credentials.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
enum Method {
    #[default]
    Unasked,
    Basic,
    Bearer(TokenService),
}

#[derive(Debug, Default)]
struct State {
    method: Method,
    token: Option<Token>,
}

/// The authentication of one repository, or of a login.
#[derive(Debug)]
pub(crate) struct Authenticator {
    credentials: Option<Credentials>,
    /// What the token is for; a login asks for nothing and for a refresh token.
    scope: Option<String>,
    state: Mutex<State>,
}

impl Authenticator {
    pub(crate) fn new(credentials: Option<Credentials>, scope: Option<String>) -> Self {
        let credentials = credentials.filter(|credentials| !credentials.is_empty());
        Self { credentials, scope, state: Mutex::default() }
    }

    /// The header for the next request, as far as the registry has asked for one.
    pub(crate) async fn header(
        &self,
        transport: &Transport,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let mut state = self.state.lock().await;
        match &state.method {
            Method::Unasked => Ok(None),
            Method::Basic => Ok(self.basic()),
            Method::Bearer(service) => {
                if let Some(token) =
                    self.credentials.as_ref().and_then(|c| c.registry_token.as_ref())
                {
                    return Ok(bearer(token));
                }
                if let Some(token) =
                    state.token.as_ref().filter(|token| token.is_fresh(Instant::now()))
                {
                    return Ok(bearer(&token.value));
                }
                let token = service
                    .fetch(transport, self.credentials.as_ref(), self.scope.as_deref())
                    .await?;
                let header = bearer(&token.value);
                state.token = Some(token);
                Ok(header)
            }
        }
    }

    /// Learns from a 401; `true` when the request may go through with a new header.
    pub(crate) async fn challenged(
        &self,
        url: &Url,
        challenges: &[Challenge],
        sent: Option<&HeaderValue>,
    ) -> Result<bool, RegistryError> {
        let mut state = self.state.lock().await;
        if let Some(challenge) = challenges.iter().find(|c| c.scheme == "bearer") {
            let service = TokenService::from_challenge(url, challenge)?;
            let current = state.token.as_ref().and_then(|token| bearer(&token.value));
            let fixed = self.credentials.as_ref().is_some_and(|c| c.registry_token.is_some());
            if sent.is_some() && fixed {
                return Ok(false);
            }
            if sent == current.as_ref() {
                state.token = None;
            }
            state.method = Method::Bearer(service);
            return Ok(true);
        }
        if challenges.iter().any(|c| c.scheme == "basic") {
            let Some(header) = self.basic() else {
                return Err(RegistryError::NoCredentials { url: shown(url) });
            };
            state.method = Method::Basic;
            return Ok(sent != Some(&header));
        }
        Ok(false)
    }

    /// The refresh token that came with the last token, if the service gave one.
    pub(crate) async fn refresh_token(&self) -> Option<String> {
        self.state.lock().await.token.as_ref().and_then(|token| token.refresh.clone())
    }

    fn basic(&self) -> Option<HeaderValue> {
        self.credentials.as_ref().and_then(basic)
    }
}

/// `Basic`, if there are a user name or a password.
pub(crate) fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    let Credentials { username, password, .. } = credentials;
    if username.is_empty() && password.is_empty() {
        return None;
    }
    sensitive(&format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
}

fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

/// A header value that never shows up in debug output.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_never_show() {
        let credentials = Credentials {
            username: "user".to_owned(),
            password: "secret".to_owned(),
            identity_token: Some("token".to_owned()),
            registry_token: None,
        };
        let shown = format!("{credentials:?} {:?}", basic(&credentials));
        assert!(!shown.contains("secret") && !shown.contains("token"), "{shown}");
        assert!(!shown.contains("dXNlcjpzZWNyZXQ="), "{shown}");
    }

    #[test]
    fn empty_credentials_are_none() {
        assert!(Credentials::default().is_empty());
        assert_eq!(basic(&Credentials::default()), None);
    }
}
