//! `jocker logs`

use api_spec::stdcopy::Demultiplexer;
use http::Method;
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::{Failure, Outcome};
use crate::args::LogsArgs;
use crate::client::{Client, ClientError, Path};
use crate::render::time;
use crate::session;

pub(super) async fn logs(client: &Client, args: LogsArgs) -> Outcome {
    let container: Value = client.get(&Path::container(&args.container, "/json")).await?;
    let tty = container["Config"]["Tty"].as_bool().unwrap_or(false);
    let path = Path::container(&args.container, "/logs")
        .with("stdout", 1)
        .with("stderr", 1)
        .flag("details", args.details)
        .flag("follow", args.follow)
        .flag("timestamps", args.timestamps)
        .maybe("since", point("since", args.since)?)
        .maybe("until", point("until", args.until)?)
        .with("tail", &args.tail);
    let mut body = client.stream(Method::GET, &path).await?.into_body();
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    let mut frames = Demultiplexer::default();
    while let Some(frame) = body.frame().await {
        let broken = |source| ClientError::Body { path: path.to_string(), source };
        let Ok(bytes) = frame.map_err(|error| broken(error.into()))?.into_data() else { continue };
        let written = if tty {
            match stdout.write_all(&bytes).await {
                Ok(()) => stdout.flush().await,
                Err(error) => Err(error),
            }
        } else {
            session::write_frames(&mut frames, &bytes, &mut stdout, &mut stderr).await
        };
        written.map_err(Failure::io("write logs"))?;
    }
    Ok(())
}

/// A point in time as the API takes it.
pub(super) fn point(flag: &str, text: Option<String>) -> Result<Option<String>, Failure> {
    let Some(text) = text else { return Ok(None) };
    match time::parse_point(&text, Timestamp::now()) {
        Some(point) => Ok(Some(point)),
        None => Err(Failure::Message(format!("invalid value for {flag:?}: {text:?} is no time"))),
    }
}
