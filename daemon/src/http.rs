//! The room that speaks Docker's HTTP. Handlers only check parameters, call one service and convert
//! its answer; deciding anything is the services' business.
//!
//! A request's way: [`connection`] (HTTP/1.1) → [`dispatch`] (version, table) → a handler →
//! [`reply`] or [`error`], or [`hijack`] when the connection leaves HTTP.

pub(crate) mod absent;
pub(crate) mod accept;
pub(crate) mod clean;
pub(crate) mod commit;
pub(crate) mod connection;
pub(crate) mod containers;
pub(crate) mod credentials;
pub(crate) mod dispatch;
pub(crate) mod distribution;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod extract;
pub(crate) mod founding;
pub(crate) mod hijack;
pub(crate) mod images;
pub(crate) mod limits;
pub(crate) mod linger;
pub(crate) mod negotiate;
pub(crate) mod networks;
pub(crate) mod origin;
pub(crate) mod peer;
pub(crate) mod reply;
pub(crate) mod router;
pub(crate) mod socket;
pub(crate) mod system;
pub(crate) mod transfer;
pub(crate) mod volumes;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::http::accept::Listener;
use crate::http::dispatch::Dispatcher;
use crate::http::limits::{ACCEPT_BACKOFF, MAX_CONNECTIONS};
use crate::http::router::Router;
use crate::quiet::Quiet;

/// The listening sockets and the connections that came from them.
#[derive(Debug)]
pub(crate) struct Server {
    app: App,
    router: Arc<Router>,
    room: Arc<Semaphore>,
    stop: CancellationToken,
    connections: TaskTracker,
    quiet: Arc<Quiet>,
}

impl Server {
    pub(crate) fn new(app: App, stop: CancellationToken, quiet: Arc<Quiet>) -> Self {
        Self {
            app,
            router: Arc::new(Router::new()),
            room: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            stop,
            connections: TaskTracker::new(),
            quiet,
        }
    }

    /// Accepts from one socket until the server is stopped.
    pub(crate) async fn accept_from(&self, listener: Listener) {
        loop {
            let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok(incoming) => {
                    let (app, router) = (self.app.clone(), Arc::clone(&self.router));
                    let (stop, quiet) = (self.stop.clone(), Arc::clone(&self.quiet));
                    self.connections.spawn(async move {
                        if let Some((socket, peer)) = incoming.open().await {
                            let dispatcher = Dispatcher { app, router, peer: Arc::new(peer) };
                            let dispatch = |request| dispatcher.dispatch(request);
                            connection::serve(dispatch, socket, stop).await;
                        }
                        drop(permit);
                        quiet.disturb();
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    /// Ends when every connection has ended.
    pub(crate) async fn drained(&self) {
        self.connections.close();
        self.connections.wait().await;
    }
}
