//! `jocker events`

use api_spec::events::Message;
use http::Method;
use http_body_util::BodyExt;
use serde_json::Value;

use super::{Failure, Outcome, filters, logs};
use crate::args::EventsArgs;
use crate::client::{Client, ClientError, Path};
use crate::render::template::Template;
use crate::render::time;

/// Longest event that is read, in bytes.
const LINE_LIMIT: usize = 1024 * 1024;

pub(super) async fn events(client: &Client, args: EventsArgs) -> Outcome {
    let template = match args.format.as_deref() {
        None | Some("") => None,
        Some("json") => Some(Template::parse("{{json .}}")?),
        Some(format) => Some(Template::parse(format)?),
    };
    let filters = filters::parse(&args.filter)?;
    let path = Path::new("/events")
        .maybe("since", logs::point("since", args.since)?)
        .maybe("until", logs::point("until", args.until)?)
        .maybe("filters", filters.map(|filters| filters.to_json()));
    let mut body = client.stream(Method::GET, &path).await?.into_body();
    let mut waiting = Vec::new();
    while let Some(frame) = body.frame().await {
        let broken = |source| ClientError::Body { path: path.to_string(), source };
        let Ok(bytes) = frame.map_err(|error| broken(error.into()))?.into_data() else { continue };
        waiting.extend_from_slice(&bytes);
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            super::print(&show(&path, &line, template.as_ref())?)?;
        }
        if waiting.len() > LINE_LIMIT {
            return Err(Failure::Message(format!("event of more than {LINE_LIMIT} bytes")));
        }
    }
    Ok(())
}

fn show(path: &Path, line: &[u8], template: Option<&Template>) -> Result<String, Failure> {
    let invalid = |source| ClientError::Json { path: path.to_string(), source };
    if let Some(template) = template {
        let value: Value = serde_json::from_slice(line).map_err(invalid)?;
        return Ok(format!("{}\n", template.render(&value)?));
    }
    let event: Message = api_spec::gojson::from_slice(line).map_err(invalid)?;
    let when = time::precise(event.time_nano);
    let attributes: Vec<String> =
        event.actor.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let attributes = match attributes.join(", ") {
        none if none.is_empty() => none,
        some => format!(" ({some})"),
    };
    Ok(format!("{when} {} {} {}{attributes}\n", event.kind, event.action, event.actor.id))
}
