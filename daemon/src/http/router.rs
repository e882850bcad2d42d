//! The one table of the daemon's surface: method, path, handler.
//!
//! `{id}` and `{name}` stand for one path segment or more (image names hold slashes; what
//! follows the name decides). A method that a path does not have is answered like an unknown path,
//! as dockerd does.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use axum::extract::Request;
use axum::handler::Handler;
use axum::http::Method;
use axum::response::Response;

use crate::app::App;
use crate::http::{
    commit, containers, distribution, events, exec, founding, images, networks, system, volumes,
};

type Reply = Pin<Box<dyn Future<Output = Response> + Send>>;

/// One row of the table.
pub(crate) struct Endpoint {
    method: Method,
    pattern: &'static str,
    pub(crate) kind: Kind,
    handle: Box<dyn Fn(Request, App) -> Reply + Send + Sync>,
}

/// What a request of an endpoint does to its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ends by itself: the daemon waits for it, within a bound, before it ends.
    Ordinary,
    /// Lasts until something happens elsewhere: cut when the daemon ends.
    Passive,
    /// Passive, and may take the connection over: bytes and a half-close may follow the request.
    Hijacking,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.pattern)
    }
}

impl Endpoint {
    fn passive(self) -> Self {
        Self { kind: Kind::Passive, ..self }
    }

    fn hijacking(self) -> Self {
        Self { kind: Kind::Hijacking, ..self }
    }

    pub(crate) fn call(&self, request: Request, app: App) -> Reply {
        (self.handle)(request, app)
    }
}

fn on<H, T>(method: Method, pattern: &'static str, handler: H) -> Endpoint
where
    H: Handler<T, App> + Sync,
    T: 'static,
{
    let handle = move |request, app| -> Reply { Box::pin(handler.clone().call(request, app)) };
    Endpoint { method, pattern, kind: Kind::Ordinary, handle: Box::new(handle) }
}

fn get<H: Handler<T, App> + Sync, T: 'static>(pattern: &'static str, handler: H) -> Endpoint {
    on(Method::GET, pattern, handler)
}

fn head<H: Handler<T, App> + Sync, T: 'static>(pattern: &'static str, handler: H) -> Endpoint {
    on(Method::HEAD, pattern, handler)
}

fn post<H: Handler<T, App> + Sync, T: 'static>(pattern: &'static str, handler: H) -> Endpoint {
    on(Method::POST, pattern, handler)
}

fn put<H: Handler<T, App> + Sync, T: 'static>(pattern: &'static str, handler: H) -> Endpoint {
    on(Method::PUT, pattern, handler)
}

fn delete<H: Handler<T, App> + Sync, T: 'static>(pattern: &'static str, handler: H) -> Endpoint {
    on(Method::DELETE, pattern, handler)
}

/// Every endpoint. The first row that fits is taken.
fn table() -> Vec<Endpoint> {
    vec![
        head("/_ping", system::ping::handle),
        get("/_ping", system::ping::handle),
        get("/version", system::version::handle),
        get("/info", system::info::handle),
        get("/system/df", system::df::handle),
        post("/auth", system::auth::handle),
        get("/events", events::handle).passive(),
        post("/containers/create", containers::create::handle),
        get("/containers/json", containers::list::handle),
        get("/containers/{id}/json", containers::inspect::handle),
        post("/containers/{id}/start", containers::start::handle),
        post("/containers/{id}/stop", containers::stop::handle),
        post("/containers/{id}/kill", containers::kill::handle),
        post("/containers/{id}/restart", containers::restart::handle),
        post("/containers/{id}/pause", containers::pause::handle),
        post("/containers/{id}/unpause", containers::unpause::handle),
        post("/containers/{id}/rename", containers::rename::handle),
        post("/containers/{id}/update", containers::update::handle),
        get("/containers/{id}/top", containers::top::handle),
        get("/containers/{id}/plan", containers::plan::handle),
        get("/containers/{id}/timeline", containers::timeline::handle),
        get("/containers/{id}/stats", containers::stats::handle).passive(),
        post("/containers/prune", containers::prune::handle),
        post("/containers/{id}/wait", containers::wait::handle).passive(),
        get("/containers/{id}/logs", containers::logs::handle).passive(),
        post("/containers/{id}/attach", containers::attach::handle).hijacking(),
        get("/containers/{id}/attach/ws", containers::attach_ws::handle).hijacking(),
        post("/containers/{id}/resize", containers::resize::handle),
        head("/containers/{id}/archive", containers::archive::stat),
        get("/containers/{id}/archive", containers::archive::get).passive(),
        put("/containers/{id}/archive", containers::archive::put).passive(),
        get("/containers/{id}/changes", containers::changes::handle),
        get("/containers/{id}/export", containers::export::handle).passive(),
        post("/containers/{id}/exec", exec::create::handle),
        delete("/containers/{id}", containers::remove::handle),
        post("/exec/{id}/start", exec::start::handle).hijacking(),
        post("/exec/{id}/resize", exec::resize::handle),
        get("/exec/{id}/json", exec::inspect::handle),
        get("/exec/{id}/timeline", exec::timeline::handle),
        post("/commit", commit::handle),
        post("/images/create", images::create::handle),
        get("/images/json", images::list::handle),
        post("/images/load", images::load::handle),
        post("/images/prune", images::prune::handle),
        get("/images/search", images::search::handle),
        get("/images/get", images::save::several),
        get("/images/{name}/get", images::save::one),
        get("/images/{name}/json", images::inspect::handle),
        get("/images/{name}/history", images::history::handle),
        post("/images/{name}/push", images::push::handle),
        post("/images/{name}/tag", images::tag::handle),
        delete("/images/{name}", images::remove::handle),
        get("/distribution/{name}/json", distribution::handle),
        post("/volumes/create", volumes::create::handle),
        get("/volumes", volumes::list::handle),
        post("/volumes/prune", volumes::prune::handle),
        get("/volumes/{id}", volumes::inspect::handle),
        delete("/volumes/{id}", volumes::remove::handle),
        get("/networks", networks::list::handle),
        get("/networks/", networks::list::handle),
        post("/networks/create", networks::create::handle),
        post("/networks/prune", networks::prune::handle),
        get("/networks/{id}", networks::inspect::handle),
        delete("/networks/{id}", networks::remove::handle),
        post("/networks/{id}/connect", networks::connect::handle),
        post("/networks/{id}/disconnect", networks::disconnect::handle),
        post("/run", founding::run::handle),
        post("/exec", founding::exec::handle),
    ]
}

/// The table, ready to be asked.
#[derive(Debug)]
pub(crate) struct Router(Vec<Endpoint>);

impl Router {
    pub(crate) fn new() -> Self {
        Self(table())
    }

    /// The endpoint of a method and path (without version), and the name in the path, still
    /// percent-encoded.
    pub(crate) fn find<'p>(&self, method: &Method, path: &'p str) -> Option<(&Endpoint, &'p str)> {
        self.0.iter().find_map(|endpoint| {
            let name = fits(endpoint.pattern, path)?;
            (endpoint.method == *method).then_some((endpoint, name))
        })
    }
}

/// The part of `path` that the pattern's placeholder stands for (empty when there is none).
pub(crate) fn fits<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((prefix, rest)) = pattern.split_once('{') else {
        return (pattern == path).then_some("");
    };
    let (_, suffix) = rest.split_once('}')?;
    path.strip_prefix(prefix)?.strip_suffix(suffix).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &Method, path: &str) -> Option<(&'static str, String)> {
        let router = Router::new();
        let (endpoint, name) = router.find(method, path)?;
        Some((endpoint.pattern, name.to_owned()))
    }

    #[test]
    fn image_names_hold_slashes() {
        let name = |pattern, name: &str| Some((pattern, name.to_owned()));
        let inspect = "/images/{name}/json";
        assert_eq!(found(&Method::GET, "/images/a:5/b/c/json"), name(inspect, "a:5/b/c"));
        assert_eq!(found(&Method::GET, "/images/json"), name("/images/json", ""));
        assert_eq!(found(&Method::GET, "/images/json/json"), name(inspect, "json"));
        let remove = "/images/{name}";
        assert_eq!(found(&Method::DELETE, "/images/json"), name(remove, "json"));
        assert_eq!(found(&Method::DELETE, "/images/x/y:1"), name(remove, "x/y:1"));
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found() {
        assert_eq!(found(&Method::GET, "/containers//json"), None);
        assert_eq!(found(&Method::PUT, "/containers/json"), None);
        assert_eq!(found(&Method::GET, "/"), None);
        assert_eq!(found(&Method::GET, "/_ping/"), None);
    }

    #[test]
    fn no_row_hides_another() {
        for endpoint in table() {
            let path = endpoint.pattern.replace("{id}", "x").replace("{name}", "x/y");
            let seen = found(&endpoint.method, &path).map(|(pattern, _)| pattern);
            assert_eq!(seen, Some(endpoint.pattern));
        }
    }
}
