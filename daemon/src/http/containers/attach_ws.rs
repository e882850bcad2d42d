//! GET /containers/{id}/attach/ws, since 1.18: the streams over a WebSocket. Both outputs are sent as they are, in
//! messages that do not tell one from the other.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::attach::Attach;
use super::streams;
use crate::app::App;
use crate::containers::Streams;
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::http::hijack::Hijack;
use crate::streams::Form;
use crate::streams::websocket::{self, Kind};

/// First API version whose messages are binary.
const BINARY_SINCE: u32 = 28;
/// First API version that lets the client choose the streams.
const CHOICE_SINCE: u32 = 42;

pub(crate) async fn handle(
    State(app): State<App>,
    Name(name): Name,
    query: Query,
    api: Api,
    headers: HeaderMap,
    hijack: Hijack,
) -> Result<Response, Error> {
    let wanted = match api.since(CHOICE_SINCE) {
        true => streams(&query),
        false => Streams { stdin: true, stdout: true, stderr: true },
    };
    let kind = if api.since(BINARY_SINCE) { Kind::Binary } else { Kind::Text };
    // The container comes first: who asks for one that is not there hears of that.
    app.containers.resolve(&name)?;
    let handshake = hijack.handshake(&headers)?;
    let attach = Attach::begin(app, &name, &query, wanted, |_| false).await?;
    let form = Form::between(!attach.tty(), false);
    Ok(hijack.accept_websocket(handshake, move |client| async move {
        attach.run(websocket::bytes(client, kind).await, form).await;
    }))
}
