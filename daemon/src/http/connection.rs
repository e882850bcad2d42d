//! One client's connection: HTTP/1.1 until it ends or a session takes the socket over.
//!
//! hyper can give a connection away only with a 101 answer that it wrote itself. Docker's older
//! form answers 200 and goes on raw, so the exchange is stopped here, the socket and the bytes that
//! hyper had read too far are taken back, and both forms are written by [`hijack::head`].

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::select;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::http::dispatch::Call;
use crate::http::hijack::{self, Stream, Takeover};
use crate::http::limits::{HEAD_TIMEOUT, MAX_HEAD_BYTES, MAX_HEADERS};
use crate::http::linger::Lingering;
use crate::http::router::Kind;
use crate::http::socket::Socket;

/// Serves a connection to its end. After `stop` it takes no further request, and what only waits for
/// something to happen is cut.
pub(crate) async fn serve(
    dispatch: impl Fn(Request) -> Call,
    socket: Socket,
    stop: CancellationToken,
) {
    let hold_end = Arc::new(AtomicBool::new(false));
    let passive = AtomicBool::new(false);
    let (takeovers, mut taken) = mpsc::channel::<Response>(1);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let call = dispatch(request.map(|body| Body::new(Lingering::new(body))));
        hold_end.store(call.kind == Kind::Hijacking, Ordering::Relaxed);
        passive.store(call.kind != Kind::Ordinary, Ordering::Relaxed);
        let (takeovers, hold_end) = (takeovers.clone(), Arc::clone(&hold_end));
        Box::pin(async move {
            let response = call.reply.await;
            if response.extensions().get::<Takeover>().is_some() {
                // The connection's task takes it from here and drops this future.
                let _ = takeovers.send(response).await;
                return pending().await;
            }
            hold_end.store(false, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        })
    });
    let mut stop_now = pin!(stop.cancelled());
    let mut stopping = false;
    let io = TokioIo::new(HeldSocket { socket, hold_end: Arc::clone(&hold_end) });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(io, service);

    let exchange = poll_fn(|context| {
        if !stopping && stop_now.as_mut().poll(context).is_ready() {
            stopping = true;
            if passive.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(None));
            }
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(response) = taken.poll_recv(context) {
            return Poll::Ready(Ok(response));
        }
        connection.poll_without_shutdown(context).map_ok(|()| None)
    });
    let taken = exchange.await.unwrap_or_else(|error| {
        tracing::debug!(%error, "a connection failed");
        None
    });
    let parts = connection.into_parts();
    let mut socket = parts.io.into_inner().socket;
    match taken {
        Some(response) => {
            let session = pin!(run_session(response, parts.read_buf, socket));
            select(session, pin!(stop.cancelled())).await;
        }
        None => drop(socket.shutdown().await),
    }
}

async fn run_session(response: Response, early: bytes::Bytes, mut socket: Socket) {
    let takeover = response.extensions().get::<Takeover>();
    let Some(session) = takeover.and_then(Takeover::session) else {
        return;
    };
    match socket.write_all(&hijack::head(&response)).await {
        Ok(()) => session(Stream::new(early, socket)).await,
        Err(error) => tracing::debug!(%error, "a client left before its session"),
    }
}

/// A socket whose end of input is kept from hyper while a hijacking request is answered: hyper
/// would take a client that has closed its sending half for one that has gone.
#[derive(Debug)]
struct HeldSocket {
    socket: Socket,
    hold_end: Arc<AtomicBool>,
}

impl AsyncRead for HeldSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        let ended = matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
        if ended && self.hold_end.load(Ordering::Relaxed) {
            // hyper reads again of itself once the answer is written; the end is still there then.
            return Poll::Pending;
        }
        read
    }
}

impl AsyncWrite for HeldSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
