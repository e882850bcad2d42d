//! One repository at one address: every request goes through here to be authenticated, repeated
//! when that may help, and its failure put into words.

use std::sync::Arc;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};

use super::auth::{Authenticator, Credentials};
use super::challenge;
use super::content::Content;
use super::endpoint::Endpoint;
use super::retry::{RetryPolicy, retry_after};
use super::transport::{Request, Transport, is_success};
use super::{ApiError, Code, Registries, RegistryError, body};

/// Times that one request is sent again because of a challenge.
const CHALLENGE_LIMIT: u32 = 2;

/// What is asked of a repository.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Below `/v2/<repository>/`.
    pub(super) url: Url,
    pub(super) accept: &'static str,
    /// The first byte wanted.
    pub(super) from: u64,
    /// What 404 means where the registry does not say.
    pub(super) unknown: Code,
    pub(super) is_document: bool,
    /// What is uploaded.
    pub(super) content: Option<Content>,
    pub(super) retry: RetryPolicy,
}

/// What a token has to allow.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Access<'a> {
    Pull,
    /// And to take blobs from these repositories of the same registry.
    Push(&'a [String]),
}

impl Access<'_> {
    /// Scopes, separated by spaces.
    fn scope(self, path: &str) -> String {
        match self {
            Self::Pull => format!("repository:{path}:pull"),
            Self::Push(sources) => {
                let sources = sources.iter().map(|source| format!(" repository:{source}:pull"));
                format!("repository:{path}:pull,push{}", sources.collect::<String>())
            }
        }
    }
}

/// One repository at one address.
#[derive(Debug)]
pub(crate) struct Repository {
    transport: Transport,
    auth: Authenticator,
    base: Url,
    retry: RetryPolicy,
}

impl Repository {
    /// Nothing is sent yet. A mirror is not shown the user's credentials and is asked once.
    pub(crate) fn new(
        registries: &Registries,
        endpoint: &Endpoint,
        path: &str,
        credentials: Option<Credentials>,
        access: Access<'_>,
    ) -> Result<Arc<Self>, RegistryError> {
        let wrong = |_| RegistryError::protocol(endpoint.base.to_string(), "malformed repository");
        let base = endpoint.base.join(&format!("v2/{path}/")).map_err(wrong)?;
        let credentials = credentials.filter(|_| !endpoint.mirror);
        let mut retry = registries.config().retry;
        if endpoint.mirror {
            retry.attempts = 1;
        }
        Ok(Arc::new(Self {
            transport: Transport::new(registries, endpoint),
            auth: Authenticator::new(credentials, Some(access.scope(path))),
            base,
            retry,
        }))
    }

    /// A GET of a small document below `/v2/<repository>/`, such as `manifests/latest`.
    pub(super) fn ask(&self, path: &str, unknown: Code) -> Result<Ask, RegistryError> {
        let url = self.base.join(path);
        let wrong = |_| RegistryError::protocol(self.base.to_string(), "malformed path");
        Ok(Ask {
            method: Method::GET,
            url: url.map_err(wrong)?,
            accept: "*/*",
            from: 0,
            unknown,
            is_document: true,
            content: None,
            retry: self.retry,
        })
    }

    /// A request to where the registry said that an upload goes on; asked once.
    pub(super) fn ask_at(
        &self,
        url: &Url,
        method: Method,
        content: Option<Content>,
    ) -> Result<Ask, RegistryError> {
        let ask = self.ask("blobs/uploads/", Code::Other("BLOB_UPLOAD_UNKNOWN".to_owned()))?;
        let retry = RetryPolicy { attempts: 1, ..self.retry };
        Ok(Ask { method, url: url.clone(), content, is_document: false, retry, ..ask })
    }

    /// Whether there is somebody at this address.
    pub(crate) fn has_answered(&self) -> bool {
        self.transport.has_answered()
    }

    /// How requests to this repository are repeated.
    pub(crate) fn retry(&self) -> RetryPolicy {
        self.retry
    }

    /// Asks until there is a 200 or 206, the registry says no, or the attempts are used up.
    pub(super) async fn request(&self, ask: &Ask) -> Result<Response, RegistryError> {
        let mut failed = 0;
        loop {
            let error = match self.request_once(ask).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            failed += 1;
            // Who has never answered is not a registry that has a bad moment.
            if !error.is_temporary() || !self.has_answered() {
                return Err(error);
            }
            let Some(delay) = ask.retry.delay(failed, error.retry_after()) else {
                return Err(error);
            };
            tracing::debug!(%error, delay_ms = delay.as_millis(), "registry request repeated");
            tokio::time::sleep(delay).await;
        }
    }

    async fn request_once(&self, ask: &Ask) -> Result<Response, RegistryError> {
        let mut challenged = 0;
        loop {
            // Only the registry itself is shown who we are, wherever uploads go.
            let authorization = match ask.url.origin() == self.base.origin() {
                true => self.auth.header(&self.transport).await?,
                false => None,
            };
            let request = Request {
                method: ask.method.clone(),
                url: ask.url.clone(),
                accept: ask.accept,
                from: ask.from,
                authorization,
                form: None,
                content: ask.content.clone(),
                is_document: ask.is_document,
            };
            let response = self.transport.send(&request).await?;
            let status = response.status();
            if is_success(status) || is_accepted(ask, status) {
                return Ok(response);
            }
            let challenges = challenge::of(&response);
            let sent = request.authorization.as_ref();
            if status == StatusCode::UNAUTHORIZED
                && challenged < CHALLENGE_LIMIT
                && self.auth.challenged(&ask.url, &challenges, sent).await?
            {
                challenged += 1;
                continue;
            }
            let wait = asked_wait(response.headers());
            let body = body::of_error(response).await;
            let unknown = ask.unknown.clone();
            return Err(ApiError::new(status.as_u16(), &challenges, &body, unknown, wait).into());
        }
    }
}

/// What is sent is created or accepted; the state of an upload has no content.
fn is_accepted(ask: &Ask, status: StatusCode) -> bool {
    let is_state = ask.method == Method::GET && status == StatusCode::NO_CONTENT;
    let is_taken = matches!(status, StatusCode::CREATED | StatusCode::ACCEPTED);
    is_state || ask.content.is_some() && (is_taken || status == StatusCode::NO_CONTENT)
}

fn asked_wait(headers: &HeaderMap) -> Option<std::time::Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok().and_then(retry_after)
}
