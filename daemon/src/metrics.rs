//! `GET /metrics` on an address of its own (`--metrics-addr`): numbers in Prometheus' text form,
//! under dockerd's names where it has them. Nothing else is answered there.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::host;

/// Connections at once.
const MAX_CONNECTIONS: usize = 16;
/// How long a client may take to ask.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before accepting again after accepting failed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Prometheus' text form, version 0.0.4.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers until the daemon ends.
pub(crate) async fn serve(listener: TcpListener, app: App, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((socket, _)) = accepted else {
            tokio::time::sleep(ACCEPT_BACKOFF).await;
            continue;
        };
        let app = app.clone();
        tokio::spawn(async move {
            answer(socket, &app).await;
            drop(permit);
        });
    }
}

async fn answer(socket: TcpStream, app: &App) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let known = request.method() == Method::GET && request.uri().path() == "/metrics";
        let mut response = Response::new(Body::empty());
        if known {
            *response.body_mut() = Body::from(text(app));
            let kind = header::HeaderValue::from_static(TEXT);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        } else {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        Ok::<_, Infallible>(response)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(socket), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection for metrics failed");
    }
}

/// Writes metrics one after the other.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }
}

fn text(app: &App) -> String {
    let mut text = Text(String::new());
    engine(&mut text, &app.engine_id);
    let counts = app.containers.counts();
    let states = "engine_daemon_container_states_containers";
    text.head(states, "gauge", "The count of containers in various states");
    for (state, count) in
        [("paused", counts.paused), ("running", counts.running), ("stopped", counts.stopped)]
    {
        let _ = writeln!(text.0, "{states}{{state=\"{state}\"}} {count}");
    }
    let events = "engine_daemon_events_total";
    text.one(events, "counter", "The number of events logged", app.events.published());
    let listeners = "engine_daemon_events_subscribers_total";
    text.one(
        listeners,
        "gauge",
        "The number of current subscribers to events",
        app.events.listeners(),
    );
    process(&mut text);
    text.0
}

fn engine(text: &mut Text, id: &str) {
    let info = "engine_daemon_engine_info";
    text.head(info, "gauge", "The information related to the engine and the OS it is running on");
    let (system, system_version) = host::operating_system();
    let labels = [
        ("architecture", host::machine()),
        ("commit", String::new()),
        ("daemon_id", id.to_owned()),
        ("graphdriver", "overlay2".to_owned()),
        ("kernel", host::kernel_version()),
        ("os", system),
        ("os_type", "linux".to_owned()),
        ("os_version", system_version),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let labels = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(&value)));
    let _ = writeln!(text.0, "{info}{{{}}} 1", labels.join(","));
    let cpus = "engine_daemon_engine_cpus_cpus";
    text.one(
        cpus,
        "gauge",
        "The number of cpus that the host system of the engine has",
        host::processors(),
    );
    let memory = "engine_daemon_engine_memory_bytes";
    let help = "The number of bytes of memory that the host system of the engine has";
    text.one(memory, "gauge", help, host::memory_bytes());
}

fn process(text: &mut Text) {
    let (descriptors, threads) = host::own_usage();
    text.one("process_open_fds", "gauge", "Number of open file descriptors.", descriptors);
    text.one("process_threads", "gauge", "Number of threads.", threads);
    let resident = "process_resident_memory_bytes";
    text.one(resident, "gauge", "Resident memory size in bytes.", host::own_memory_bytes());
}

/// A label's value (Prometheus' text form: `\`, `"` and line feeds are escaped).
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
        let mut text = Text(String::new());
        text.one("x", "gauge", "help", 5);
        assert_eq!(text.0, "# HELP x help\n# TYPE x gauge\nx 5\n");
    }
}
