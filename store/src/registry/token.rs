//! The token service of a registry: bearer tokens by GET (anonymous or basic) or, with a refresh
//! token, by POST. Distribution project, "Token Authentication Specification" and "OAuth2 Token
//! Authentication".

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::{Method, Url};
use serde::Deserialize;

use super::auth::{Credentials, basic};
use super::challenge::{self, Challenge};
use super::transport::{Request, Transport, is_success, shown};
use super::{ApiError, Code, RegistryError, body};

/// Largest answer of a token service, in bytes.
const ANSWER_LIMIT: u64 = 1024 * 1024;
/// What a token is good for where the service does not say, and at least.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);
/// A token is renewed this long before it expires.
const EXPIRY_MARGIN: Duration = Duration::from_secs(5);
/// No answer makes a token live longer.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
const CLIENT_ID: &str = "jocker";

/// A bearer token.
pub(crate) struct Token {
    pub(crate) value: String,
    /// To get the next one without a password.
    pub(crate) refresh: Option<String>,
    expires: Instant,
}

impl Token {
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        now + EXPIRY_MARGIN < self.expires
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires", &self.expires).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

/// Where tokens come from, as a challenge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenService {
    realm: Url,
    service: Option<String>,
    scope: Option<String>,
    /// The registry itself was reached by https: passwords must not leave by http.
    is_tls: bool,
}

impl TokenService {
    pub(crate) fn from_challenge(url: &Url, challenge: &Challenge) -> Result<Self, RegistryError> {
        let realm = challenge.parameter("realm").and_then(|realm| Url::parse(realm).ok());
        let realm = realm.filter(|realm| matches!(realm.scheme(), "http" | "https"));
        let realm = realm.ok_or_else(|| {
            RegistryError::protocol(shown(url), "bearer challenge without a usable realm")
        })?;
        Ok(Self {
            realm,
            service: challenge.parameter("service").map(str::to_owned),
            scope: challenge.parameter("scope").map(str::to_owned),
            is_tls: url.scheme() == "https",
        })
    }

    /// Gets a token for `scope`; without one, for what the challenge says and with a refresh token.
    pub(crate) async fn fetch(
        &self,
        transport: &Transport,
        credentials: Option<&Credentials>,
        scope: Option<&str>,
    ) -> Result<Token, RegistryError> {
        let leaks = self.is_tls && self.realm.scheme() == "http";
        if credentials.is_some() && leaks && !transport.is_unverified(&self.realm) {
            let reason = "refusing to send credentials to a token service without tls";
            return Err(RegistryError::protocol(shown(&self.realm), reason));
        }
        let request = match credentials.and_then(|c| c.identity_token.as_deref()) {
            Some(token) => self.refresh_request(token, scope),
            None => self.request(credentials, scope),
        };
        let response = transport.send(&request).await?;
        let status = response.status();
        if !is_success(status) {
            let challenges = challenge::of(&response);
            let body = body::of_error(response).await;
            return Err(token_error(status.as_u16(), &challenges, &body).into());
        }
        let body = body::bounded(response, ANSWER_LIMIT).await?;
        self.token(&body)
    }

    fn request(&self, credentials: Option<&Credentials>, scope: Option<&str>) -> Request {
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &self.service {
                query.append_pair("service", service);
            }
            for scope in self.scopes(scope) {
                query.append_pair("scope", scope);
            }
            if let Some(credentials) = credentials.filter(|c| !c.username.is_empty()) {
                query.append_pair("account", &credentials.username);
            }
            if scope.is_none() {
                query.append_pair("offline_token", "true").append_pair("client_id", CLIENT_ID);
            }
        }
        let authorization = credentials.and_then(basic);
        Request { authorization, ..Request::get(url) }
    }

    fn refresh_request(&self, token: &str, scope: Option<&str>) -> Request {
        // `Url` writes forms as queries are written.
        let mut form = self.realm.clone();
        form.query_pairs_mut()
            .clear()
            .append_pair("grant_type", "refresh_token")
            .append_pair("service", self.service.as_deref().unwrap_or_default())
            .append_pair("scope", &self.scopes(scope).collect::<Vec<_>>().join(" "))
            .append_pair("client_id", CLIENT_ID)
            .append_pair("refresh_token", token);
        Request {
            method: Method::POST,
            form: form.query().map(str::to_owned),
            ..Request::get(self.realm.clone())
        }
    }

    /// What is wanted and what the challenge names, each once.
    fn scopes<'a>(&'a self, wanted: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let wanted = wanted.into_iter().flat_map(|scopes| scopes.split(' '));
        let named = self.scope.iter().flat_map(|scope| scope.split(' '));
        let known = wanted.clone();
        let named = named
            .filter(move |scope| !scope.is_empty() && !known.clone().any(|known| known == *scope));
        wanted.chain(named)
    }

    fn token(&self, body: &[u8]) -> Result<Token, RegistryError> {
        let wrong = |reason: &str| RegistryError::protocol(shown(&self.realm), reason);
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|_| wrong("the token service's answer is not what it should be"))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let value = token.ok_or_else(|| wrong("the token service's answer has no token"))?;
        let life = answer.expires_in.map_or(SHORTEST_LIFE, Duration::from_secs);
        let expires = Instant::now() + life.clamp(SHORTEST_LIFE, LONGEST_LIFE);
        Ok(Token { value, refresh: answer.refresh_token, expires })
    }
}

/// Token services have their own error documents; `details` is Docker Hub's.
fn token_error(status: u16, challenges: &[Challenge], body: &[u8]) -> ApiError {
    #[derive(Deserialize)]
    struct Details {
        details: String,
    }
    let mut error = ApiError::new(status, challenges, body, Code::Denied, None);
    if let Ok(document) = serde_json::from_slice::<Details>(body) {
        error.set_message(&document.details);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> TokenService {
        let url = Url::parse("https://reg.example/v2/").expect("url");
        let header = r#"Bearer realm="https://auth.example/token?x=1",service="reg",scope="repository:a/b:pull""#;
        TokenService::from_challenge(&url, &challenge::parse(header)[0]).expect("service")
    }

    #[test]
    fn queries_carry_service_scopes_and_account() {
        let credentials = Credentials { username: "u".to_owned(), ..Credentials::default() };
        let request = service().request(Some(&credentials), Some("repository:a/b:pull"));
        assert_eq!(
            request.url.as_str(),
            "https://auth.example/token?x=1&service=reg&scope=repository%3Aa%2Fb%3Apull&account=u"
        );
        assert!(request.authorization.is_some());
        let login = service().request(None, None);
        assert!(login.url.query().is_some_and(|query| query.contains("offline_token=true")));
    }

    #[test]
    fn refresh_tokens_go_in_the_body() {
        let request = service().refresh_request("se cret", Some("repository:a/b:pull,push"));
        assert_eq!(request.method, Method::POST);
        assert!(!request.url.as_str().contains("cret"));
        let form = request.form.expect("form");
        assert!(form.contains("refresh_token=se+cret"), "{form}");
        assert!(form.contains("scope=repository%3Aa%2Fb%3Apull%2Cpush+repository"), "{form}");
    }

    #[test]
    fn several_scopes_are_asked_for_each_once() {
        let wanted = "repository:a/b:pull,push repository:c:pull repository:a/b:pull";
        let request = service().request(None, Some(wanted));
        let scopes = request.url.query_pairs().filter(|(name, _)| name == "scope");
        let scopes: Vec<_> = scopes.map(|(_, scope)| scope.into_owned()).collect();
        assert_eq!(scopes.join(" "), wanted);
    }

    #[test]
    fn tokens_live_within_limits() {
        let token = service().token(br#"{"access_token":"t","expires_in":1}"#).expect("token");
        assert!(token.is_fresh(Instant::now() + Duration::from_secs(50)));
        assert!(!token.is_fresh(Instant::now() + Duration::from_secs(56)));
        let token = service().token(br#"{"token":"t","expires_in":18446744073709551615}"#);
        assert!(token.is_ok());
        assert!(service().token(br#"{"token":""}"#).is_err());
    }

    #[test]
    fn realms_must_be_http() {
        let url = Url::parse("https://reg.example/v2/").expect("url");
        for header in ["Bearer service=x", "Bearer realm=\"file:///etc/passwd\"", "Bearer realm=x"]
        {
            let challenges = challenge::parse(header);
            assert!(TokenService::from_challenge(&url, &challenges[0]).is_err(), "{header}");
        }
    }
}
