//! The daemon's API over its unix socket: requests, answers, and connections that turn into plain
//! streams. What is asked for is the commands' business.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyperlocal::UnixConnector;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{ReadHalf, WriteHalf};

mod error;
mod host;
mod path;
mod transfer;

pub(crate) use error::ClientError;
pub(crate) use host::Host;
pub(crate) use path::{Path, encode_segment};
pub(crate) use transfer::{Download, Upload, download};

/// Largest answer that is read whole, in bytes.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// Raw bytes both ways, after an upgrade.
pub(crate) type Duplex = TokioIo<hyper::upgrade::Upgraded>;
/// What the daemon sends.
pub(crate) type FromDaemon = ReadHalf<Duplex>;
/// What is sent to the daemon; shutting it down says that there is no more.
pub(crate) type ToDaemon = WriteHalf<Duplex>;

/// What a request brings.
type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A client of one daemon. Connections are made when needed and used again.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    host: Host,
    inner: legacy::Client<UnixConnector, Body>,
}

impl Client {
    pub(crate) fn new(host: Host) -> Self {
        let inner = legacy::Client::builder(TokioExecutor::new()).build(UnixConnector);
        Self { host, inner }
    }

    /// Where the daemon listens.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// The API version in use.
    pub(crate) fn api_version(&self) -> &'static str {
        path::API_VERSION
    }

    /// `GET`, answered by JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &Path) -> Result<T, ClientError> {
        let bytes = self.get_bytes(path).await?;
        read_json(path, &bytes)
    }

    /// `GET`, answered by the bytes as they are.
    pub(crate) async fn get_bytes(&self, path: &Path) -> Result<Bytes, ClientError> {
        let response = self.stream(Method::GET, path).await?;
        collect(path, response).await
    }

    /// `POST` or another method with an optional JSON body, answered by JSON.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &Path,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, ClientError> {
        let body = body.map(|body| to_json(path, body)).transpose()?;
        let response = self.send(method, path, body, &[]).await?;
        let bytes = collect(path, response).await?;
        read_json(path, &bytes)
    }

    /// A request without a body whose answer is not needed.
    pub(crate) async fn command(&self, method: Method, path: &Path) -> Result<(), ClientError> {
        let response = self.stream(method, path).await?;
        collect(path, response).await.map(drop)
    }

    /// `POST` of a JSON body whose answer is not needed.
    pub(crate) async fn post_quietly(
        &self,
        path: &Path,
        body: &(impl Serialize + Sync),
    ) -> Result<(), ClientError> {
        let response = self.send(Method::POST, path, Some(to_json(path, body)?), &[]).await?;
        collect(path, response).await.map(drop)
    }

    /// A request whose answer is read as it comes.
    pub(crate) async fn stream(
        &self,
        method: Method,
        path: &Path,
    ) -> Result<Response<Incoming>, ClientError> {
        self.send(method, path, None, &[]).await
    }

    /// The same with headers of its own.
    pub(crate) async fn stream_with(
        &self,
        method: Method,
        path: &Path,
        headers: &[(&str, String)],
    ) -> Result<Response<Incoming>, ClientError> {
        self.send(method, path, None, headers).await
    }

    /// Turns a connection into a plain stream: `101 UPGRADED`.
    pub(crate) async fn hijack(
        &self,
        path: &Path,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<(FromDaemon, ToDaemon), ClientError> {
        let body = body.map(|body| to_json(path, body)).transpose()?;
        let headers = [("connection", "Upgrade".to_owned()), ("upgrade", "tcp".to_owned())];
        let response = self.send(Method::POST, path, body, &headers).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(ClientError::NotUpgraded {
                path: path.to_string(),
                status: response.status(),
            });
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|source| ClientError::Body {
            path: path.to_string(),
            source: source.into(),
        })?;
        Ok(tokio::io::split(TokioIo::new(upgraded)))
    }

    async fn send(
        &self,
        method: Method,
        path: &Path,
        body: Option<Bytes>,
        headers: &[(&str, String)],
    ) -> Result<Response<Incoming>, ClientError> {
        let json = ("content-type", "application/json".to_owned());
        let headers: Vec<(&str, String)> =
            body.is_some().then_some(json).into_iter().chain(headers.iter().cloned()).collect();
        let body = Full::new(body.unwrap_or_default()).map_err(|never| match never {});
        self.send_body(method, path, body.boxed_unsync(), &headers).await
    }

    /// A request with a body that is sent while it is made.
    pub(crate) async fn upload(
        &self,
        method: Method,
        path: &Path,
        headers: &[(&str, String)],
        body: Upload,
    ) -> Result<Response<Incoming>, ClientError> {
        self.send_body(method, path, body.boxed_unsync(), headers).await
    }

    async fn send_body(
        &self,
        method: Method,
        path: &Path,
        body: Body,
        headers: &[(&str, String)],
    ) -> Result<Response<Incoming>, ClientError> {
        let target = path.target();
        let uri: http::Uri = hyperlocal::Uri::new(self.host.socket(), &target).into();
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, "jocker")
            .header(header::USER_AGENT, concat!("jocker/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let invalid = |source| ClientError::Request { path: path.to_string(), source };
        let request = request.body(body).map_err(invalid)?;
        let response = self.inner.request(request).await.map_err(|source| {
            if source.is_connect() {
                ClientError::Connect { host: self.host.clone(), source }
            } else {
                ClientError::Send { path: path.to_string(), source }
            }
        })?;
        let status = response.status();
        // 304: the container is in the wanted state already.
        if status.is_client_error() || status.is_server_error() {
            let bytes = collect(path, response).await?;
            return Err(ClientError::refused(status, &bytes));
        }
        Ok(response)
    }
}

async fn collect(path: &Path, response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = Limited::new(response.into_body(), BODY_LIMIT);
    let collected = body.collect().await;
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|source| ClientError::Body { path: path.to_string(), source })
}

fn to_json(path: &Path, body: &impl Serialize) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|source| ClientError::Json { path: path.to_string(), source })
}

fn read_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, ClientError> {
    api_spec::gojson::from_slice(bytes)
        .map_err(|source| ClientError::Json { path: path.to_string(), source })
}
