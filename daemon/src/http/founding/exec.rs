//! `POST /exec` `{"name","cmd"}`: runs a command in a running container and answers its output, as
//! it comes, standard error in between.

use api_spec::container::StringList;
use api_spec::exec::ExecConfig;
use api_spec::stdcopy::Demultiplexer;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::Command;
use crate::app::App;
use crate::containers::ExecStart;
use crate::http::error::Error;
use crate::http::extract::Json;
use crate::http::reply::{self, Gone, Sender};

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;
const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Body {
    name: String,
    cmd: Option<Command>,
}

pub(crate) async fn handle(
    State(app): State<App>,
    Json(body): Json<Body>,
) -> Result<Response, Error> {
    let body = body.unwrap_or_default();
    let words = body.cmd.map(Command::words).unwrap_or_default();
    if body.name.is_empty() || words.is_empty() {
        return Err(Error::bad_request("name or cmd is missing"));
    }
    let container = app.containers.resolve(&body.name)?;
    let config = ExecConfig {
        attach_stdout: true,
        attach_stderr: true,
        cmd: Some(StringList(words)),
        ..ExecConfig::default()
    };
    let exec = app.containers.create_exec(&container, container.id(), config)?;
    let how = ExecStart { detach: false, console_size: None };
    let output = app.containers.start_exec(&exec, how).await?;
    let (sender, response) = reply::stream(TEXT);
    tokio::spawn(async move {
        if let Some(output) = output {
            // An error only says that the client has gone.
            let _ = forward(output, &sender).await;
        }
    });
    Ok(response)
}

/// Takes the frames off and sends what is in them.
async fn forward(mut output: UnixStream, client: &Sender) -> Result<(), Gone> {
    let mut frames = Demultiplexer::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match output.read(&mut chunk).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(read) => read,
        };
        let mut payload = Vec::with_capacity(read);
        let fed = frames.feed(&chunk[..read], |_, piece| payload.extend_from_slice(piece));
        if !payload.is_empty() {
            client.send(Bytes::from(payload)).await?;
        }
        if let Err(error) = fed {
            tracing::error!(%error, "an exec's output is broken");
            return Ok(());
        }
    }
}
