//! From a request to its answer: version, table, handler, and what every answer has in common.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::app::App;
use crate::http::absent;
use crate::http::error::Error;
use crate::http::extract::{self, Api, Name};
use crate::http::hijack::Takeover;
use crate::http::negotiate;
use crate::http::peer::Peer;
use crate::http::router::{Kind, Router};

/// Answers the requests of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Dispatcher {
    pub(crate) app: App,
    pub(crate) router: Arc<Router>,
    pub(crate) peer: Peer,
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
        let (written, rest) = negotiate::split(&path);
        let Some((endpoint, name)) = self.router.find(&method, rest) else {
            let error = absent::answer(&method, rest);
            return Call {
                kind: Kind::Ordinary,
                reply: Box::pin(std::future::ready(error.into_response())),
            };
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
        let (peer, supported) = (self.peer, !refused);
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

fn log(peer: &Peer, method: &str, path: &str, status: StatusCode, took: std::time::Duration) {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let status = status.as_u16();
    if status >= 500 {
        tracing::error!(peer.uid, peer.pid, method, path, status, took_us, "request failed");
    } else if matches!(method, "GET" | "HEAD") {
        tracing::debug!(peer.uid, peer.pid, method, path, status, took_us, "request");
    } else {
        tracing::info!(peer.uid, peer.pid, method, path, status, took_us, "request");
    }
}
