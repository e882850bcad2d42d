//! Requests on the wire: one client a host, TLS as configured for it, proxies, redirects.
//!
//! Redirects are followed here and not by the HTTP library, so that credentials never go to
//! another origin (CVE-2020-15157), each host gets its own certificates, and https is never left
//! for http. Proxies come from `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`; loopback
//! is never proxied.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, RANGE};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};

use super::certs::HostCerts;
use super::content::Content;
use super::endpoint::{Endpoint, authority, is_loopback};
use super::{Registries, RegistryError};

const REDIRECT_LIMIT: usize = 10;
/// A plain http server may wait for ever on a TLS greeting: then http is tried after this.
const UNVERIFIED_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How the resolver, whose error type is out of reach here, begins to tell that a name is unknown.
const NO_RECORDS: &str = "no records found";
/// How it tells that no name server can be asked.
const NO_SERVER: &str = "no connections available";
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// One request, before redirects.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: &'static str,
    /// The first byte wanted, if not 0.
    pub(crate) from: u64,
    pub(crate) authorization: Option<HeaderValue>,
    /// A body of `application/x-www-form-urlencoded`.
    pub(crate) form: Option<String>,
    /// What is uploaded.
    pub(crate) content: Option<Content>,
    /// The whole answer has to arrive within `Timeouts::document`.
    pub(crate) is_document: bool,
}

impl Request {
    pub(crate) fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            accept: "*/*",
            from: 0,
            authorization: None,
            form: None,
            content: None,
            is_document: true,
        }
    }

    /// Not asked for anything: its answer is looked at as it is, redirects too.
    fn is_upload(&self) -> bool {
        self.content.is_some()
    }
}

#[derive(Debug, PartialEq, Eq, Hash, Clone)]
struct ClientKey {
    authority: String,
    is_tls: bool,
    /// Nothing is read while a large body is sent: the sender watches that instead.
    is_upload: bool,
}

/// The connections of one pull or login.
#[derive(Debug)]
pub(crate) struct Transport {
    registries: Registries,
    /// The address that was chosen, without verification, where its name alone does not tell.
    unverified: Option<String>,
    clients: Mutex<HashMap<ClientKey, Client>>,
    has_answered: AtomicBool,
}

impl Transport {
    pub(crate) fn new(registries: &Registries, endpoint: &Endpoint) -> Self {
        Self {
            registries: registries.clone(),
            unverified: (!endpoint.verify).then(|| authority(&endpoint.base)),
            clients: Mutex::default(),
            has_answered: AtomicBool::new(false),
        }
    }

    /// Whether anybody has answered anything yet.
    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    /// Sends and follows redirects; any final status is an `Ok`.
    pub(crate) async fn send(&self, request: &Request) -> Result<Response, RegistryError> {
        let mut url = request.url.clone();
        for _ in 0..=REDIRECT_LIMIT {
            let response = self.send_once(request, &url).await?;
            let redirected = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !redirected || request.method == Method::POST || request.is_upload() {
                return Ok(response);
            }
            url = self.next_hop(&url, &response)?;
        }
        Err(RegistryError::protocol(shown(&request.url), "too many redirects"))
    }

    async fn send_once(&self, request: &Request, url: &Url) -> Result<Response, RegistryError> {
        let mut builder = self
            .client(url, request.is_upload())?
            .request(request.method.clone(), url.clone())
            .header(ACCEPT, request.accept);
        if request.from > 0 {
            builder = builder.header(RANGE, format!("bytes={}-", request.from));
        }
        if request.is_document {
            builder = builder.timeout(self.registries.config().timeouts.document);
        }
        let same_origin = url.origin() == request.url.origin();
        if let Some(authorization) = request.authorization.as_ref().filter(|_| same_origin) {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        if let Some(content) = &request.content {
            builder = content.on(builder);
        }
        if let Some(form) = &request.form {
            builder = builder
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone());
        }
        let response =
            builder.send().await.map_err(|error| network(&request.method, url, error))?;
        self.has_answered.store(true, Ordering::Relaxed);
        Ok(response)
    }

    fn next_hop(&self, url: &Url, response: &Response) -> Result<Url, RegistryError> {
        let wrong = |reason: &str| RegistryError::protocol(shown(url), reason);
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| wrong("redirect without a location"))?;
        let next = url.join(location).map_err(|_| wrong("redirect to a malformed location"))?;
        match next.scheme() {
            "https" => Ok(next),
            "http" if url.scheme() == "http" || self.is_unverified(&next) => Ok(next),
            _ => Err(wrong("redirect from https to another scheme")),
        }
    }

    /// Whether the host of a URL may be spoken to without verified TLS.
    pub(crate) fn is_unverified(&self, url: &Url) -> bool {
        let authority = authority(url);
        self.unverified.as_ref() == Some(&authority) || self.registries.is_insecure_host(&authority)
    }

    fn client(&self, url: &Url, is_upload: bool) -> Result<Client, RegistryError> {
        let is_tls = url.scheme() == "https";
        let key = ClientKey { authority: authority(url), is_tls, is_upload };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.build(&key, url)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, key: &ClientKey, url: &Url) -> Result<Client, RegistryError> {
        install_crypto();
        let config = self.registries.config();
        let is_verified = key.is_tls && !self.is_unverified(url);
        let connect = match key.is_tls && !is_verified {
            true => config.timeouts.connect.min(UNVERIFIED_CONNECT_TIMEOUT),
            false => config.timeouts.connect,
        };
        // One connection a layer is faster than the flow windows of HTTP/2.
        let mut builder = Client::builder()
            .user_agent(&config.user_agent)
            .http1_only()
            .redirect(redirect::Policy::none())
            .connect_timeout(connect)
            .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT);
        if !key.is_upload {
            builder = builder.read_timeout(config.timeouts.read);
        }
        if is_loopback(url.host_str().unwrap_or_default()) {
            builder = builder.no_proxy();
        }
        if key.is_tls {
            let certs = HostCerts::load(&config.certs_dirs, &key.authority)?;
            if let Some(identity) = certs.identity {
                builder = builder.identity(identity);
            }
            builder = match is_verified {
                true => builder.tls_certs_merge(certs.authorities),
                false => builder.tls_danger_accept_invalid_certs(true),
            };
        } else {
            // Reading the system's authorities takes time and is of no use to plain http.
            builder = builder.tls_certs_only([]);
        }
        builder.build().map_err(|error| network(&Method::GET, url, error))
    }
}

/// Makes ring the process's TLS crypto, unless another was installed before.
pub(crate) fn install_crypto() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// A URL for error texts: without its query, which may hold tokens, and without user info.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), authority(url), url.path())
}

/// The cause at the bottom of an error; the layers above it only repeat it.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<io::Error>() {
        Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
        _ => cause.to_string(),
    }
}

/// A cause in dockerd's words, if it is the resolver's.
pub(crate) fn told(url: &Url, cause: String) -> String {
    let host = url.host_str().unwrap_or_default();
    match cause {
        cause if cause.starts_with(NO_RECORDS) => format!("lookup {host}: no such host"),
        cause if cause == NO_SERVER => format!("lookup {host}: no name server can be reached"),
        cause => cause,
    }
}

/// A transport failure in dockerd's form: `Get "url": reason`.
pub(crate) fn network(method: &Method, url: &Url, error: reqwest::Error) -> RegistryError {
    let method = match *method {
        Method::HEAD => "Head",
        Method::POST => "Post",
        Method::PUT => "Put",
        Method::PATCH => "Patch",
        _ => "Get",
    };
    let is_timeout = error.is_timeout();
    // The URL that the error itself would show has a query.
    let mut reason = root_cause(&error.without_url());
    if is_timeout {
        reason = "timed out".to_owned();
    } else {
        reason = told(url, reason);
    }
    RegistryError::Network { method, url: shown(url), reason }
}

/// Whether a status is one that carries what was asked for.
pub(crate) fn is_success(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)
}
