//! POST /exec/{id}/start, since 1.15.

use std::time::Duration;

use api_spec::exec::ExecStart as Body;
use api_spec::{gojson, stdcopy};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::app::App;
use crate::containers::ExecStart;
use crate::http::error::Error;
use crate::http::extract::{Json, Name};
use crate::http::hijack::{Hijack, Stream};
use crate::http::{negotiate, reply};
use crate::streams::{End, Form, Keys, Terms, join};

/// How long a client may go on sending to an exec that was not started.
const UNREAD_LIMIT: Duration = Duration::from_millis(100);

pub(crate) async fn handle(
    State(app): State<App>,
    Name(id): Name,
    hijack: Hijack,
    Json(body): Json<Value>,
) -> Result<Response, Error> {
    let exec = app.containers.exec(&id)?;
    let body: Body = match body {
        Some(body) => gojson::from_value(body)
            .map_err(|error| Error::bad_request(format!("invalid JSON: {error}")))?,
        None => Body::default(),
    };
    let how = ExecStart { detach: body.detach, console_size: body.console_size };
    if body.detach {
        app.containers.start_exec(&exec, how).await?;
        return Ok(reply::empty(StatusCode::OK));
    }
    exec.check_startable()?;
    let tty = exec.config.tty;
    let keys = Keys::parse(&exec.config.detach_keys).map_err(Error::bad_request)?;
    let framed = !body.tty;
    let mut response = hijack.accept(framed, move |mut client| async move {
        let monitor = match app.containers.start_exec(&exec, how).await {
            Ok(monitor) => monitor,
            Err(error) => return fail(&mut client, &error.to_string(), framed).await,
        };
        let Some(monitor) = monitor else { return };
        let stdin = exec.config.attach_stdin;
        let keys = (tty && stdin).then_some(keys);
        let terms = Terms { form: Form::between(!tty, framed), stdin, keys, leaves: tty };
        client.head_is_read().await;
        if join(client, monitor, terms, exec.ended()).await == End::Detached {
            let id = [("execID", exec.id.clone())];
            app.containers.tell(&exec.container, "exec_detach", &id);
        }
    });
    negotiate::mark(response.headers_mut(), true);
    Ok(response)
}

/// The head has gone out: the reason goes where the output would have gone.
async fn fail(client: &mut Stream, why: &str, framed: bool) {
    client.head_is_read().await;
    let text = format!("{why}\r\n");
    let mut bytes = Vec::new();
    if framed {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&stdcopy::header(stdcopy::Stream::Stdout, length));
    }
    bytes.extend_from_slice(text.as_bytes());
    // Errors only say that the client has gone.
    let _ = client.write_all(&bytes).await;
    let _ = client.shutdown().await;
    // A connection that is closed with unread bytes in it is a broken one to the client.
    let unread = async { while client.read(&mut [0; 512]).await.is_ok_and(|count| count > 0) {} };
    let _ = tokio::time::timeout(UNREAD_LIMIT, unread).await;
}
