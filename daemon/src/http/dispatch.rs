//! From a request to its answer: version, table, handler, and what every answer has in common.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use api_spec::version;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::app::App;
use crate::host;
use crate::http::error::Error;
use crate::http::extract::{self, Api, Name, Query};
use crate::http::hijack::Takeover;
use crate::http::peer::Peer;
use crate::http::router::{Kind, Router};
use crate::http::{absent, clean, negotiate, origin, reply};

/// Answers the requests of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Dispatcher {
    pub(crate) app: App,
    pub(crate) router: Arc<Router>,
    pub(crate) peer: Arc<Peer>,
}

/// A request on its way.
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) reply: Pin<Box<dyn Future<Output = Response> + Send>>,
}

impl Dispatcher {
    /// Finds the endpoint at once; its work is the future's.
    pub(crate) fn dispatch(&self, mut request: Request) -> Call {
        let started = std::time::Instant::now();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        if let Some(error) = self.refusal(&request) {
            let response = error.into_response();
            log(&self.peer, method.as_str(), &path, response.status(), started.elapsed());
            return Call { kind: Kind::Ordinary, reply: Box::pin(std::future::ready(response)) };
        }
        if let Some(location) = clean::location(&path, request.uri().query().unwrap_or_default()) {
            let response = reply::moved(&location);
            return Call { kind: Kind::Ordinary, reply: Box::pin(std::future::ready(response)) };
        }
        let (written, rest) = negotiate::split(&path);
        let Some((endpoint, name)) = self.router.find(&method, rest) else {
            let query = request.uri().query().unwrap_or_default();
            let response = without_endpoint(&method, &path, query);
            return Call { kind: Kind::Ordinary, reply: Box::pin(std::future::ready(response)) };
        };
        let prepared = negotiate::negotiate(written).and_then(|version| {
            request.extensions_mut().insert(Api(version));
            if !name.is_empty() {
                request.extensions_mut().insert(Name(extract::decode(name, false)?));
            }
            Ok(())
        });
        let kind = endpoint.kind;
        let refused = prepared.is_err();
        let handled = match prepared {
            Ok(()) => endpoint.call(request, self.app.clone()),
            Err(error) => Box::pin(std::future::ready(error.into_response())),
        };
        let (peer, supported) = (Arc::clone(&self.peer), !refused);
        let reply = async move {
            let handled = AssertUnwindSafe(handled).catch_unwind().await;
            let mut response = handled.unwrap_or_else(|_| {
                Error::internal("the daemon failed while answering; its log has more")
                    .into_response()
            });
            if response.extensions().get::<Takeover>().is_none() {
                negotiate::mark(response.headers_mut(), supported);
            }
            log(&peer, method.as_str(), &path, response.status(), started.elapsed());
            response
        };
        Call { kind, reply: Box::pin(reply) }
    }
}

impl Dispatcher {
    /// Why a request is not looked at: it came over the network, from a web page.
    fn refusal(&self, request: &Request) -> Option<Error> {
        let remote = self.peer.is_remote();
        remote.then(|| origin::check(request.headers(), &host::name()).err()).flatten()
    }
}

/// What no row of the table is for.
fn without_endpoint(method: &Method, path: &str, query: &str) -> Response {
    if method == Method::OPTIONS {
        let mut response = reply::empty(StatusCode::OK);
        negotiate::mark(response.headers_mut(), true);
        return response;
    }
    let (written, rest) = negotiate::split(path);
    let answer = Query::parse(query).and_then(|query| match negotiate::negotiate(written) {
        Ok(version) => absent::answer(method, rest, &query, Api(version)).transpose(),
        // Docker looks for the page first.
        Err(error) => match absent::answer(method, rest, &query, Api(version::MAX)) {
            Some(_) => Err(error),
            None => Ok(None),
        },
    });
    let supported = answer.is_ok();
    let mut response = match answer {
        Ok(None) => return Error::page_not_found().into_response(),
        Ok(Some(response)) => response,
        Err(error) => error.into_response(),
    };
    negotiate::mark(response.headers_mut(), supported);
    response
}

/// Who did what: changes are logged always, questions only when more is asked for.
fn log(peer: &Peer, method: &str, path: &str, status: StatusCode, took: std::time::Duration) {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let status = status.as_u16();
    let Peer { uid, pid, address, certificate } = peer;
    let (address, certificate) = (address.as_deref(), certificate.as_deref());
    macro_rules! line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                peer.uid = uid,
                peer.pid = pid,
                peer.address = address,
                peer.certificate = certificate,
                method,
                path,
                status,
                took_us,
                $text
            )
        };
    }
    if status >= 500 {
        line!(error, "request failed");
    } else if matches!(method, "GET" | "HEAD") {
        line!(debug, "request");
    } else {
        line!(info, "request");
    }
}
