//! `jocker inspect`

use bytes::Bytes;
use serde_json::Value;

use super::{Failure, Outcome};
use crate::args::InspectArgs;
use crate::client::{Client, ClientError, Path, encode_segment};
use crate::render::json;
use crate::render::template::Template;

/// What a name may stand for, tried in this order.
const KINDS: [&str; 4] = ["container", "image", "network", "volume"];

pub(super) async fn inspect(client: &Client, args: InspectArgs) -> Outcome {
    if let Some(kind) = &args.kind
        && !KINDS.contains(&kind.as_str())
    {
        return Err(Failure::Message(format!("{kind:?} is not a valid value for --type")));
    }
    let kinds: Vec<&str> =
        KINDS.into_iter().filter(|kind| args.kind.as_deref().is_none_or(|k| k == *kind)).collect();
    let template = match args.format.as_deref() {
        None | Some("" | "json") => None,
        Some(format) => Some(Template::parse(format)?),
    };
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for name in &args.names {
        match find(client, &kinds, name, args.size).await {
            Ok(document) => found.push(document),
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    match &template {
        None => super::print(&as_json(&found, args.format.is_some()))?,
        Some(template) => {
            for document in &found {
                let value: Value = serde_json::from_slice(document)
                    .map_err(|error| Failure::Message(error.to_string()))?;
                super::print(&format!("{}\n", template.render(&value)?))?;
            }
        }
    }
    for failure in &failures {
        eprintln!("{failure}");
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Exit(1)) }
}

/// One array of all documents: laid out on lines, or on one line.
fn as_json(documents: &[Bytes], on_one_line: bool) -> String {
    let texts: Vec<_> =
        documents.iter().map(|document| String::from_utf8_lossy(document)).collect();
    let array = format!("[{}]", texts.iter().map(|text| text.trim()).collect::<Vec<_>>().join(","));
    if on_one_line { format!("{array}\n") } else { format!("{}\n", json::indent(&array, 0)) }
}

async fn find(client: &Client, kinds: &[&str], name: &str, size: bool) -> Result<Bytes, Failure> {
    for kind in kinds {
        let segment = encode_segment(name);
        let path = match *kind {
            "container" => Path::container(name, "/json").flag("size", size),
            "image" => Path::image(name, "/json"),
            "network" => Path::new(format!("/networks/{segment}")),
            _ => Path::new(format!("/volumes/{segment}")),
        };
        match client.get_bytes(&path).await {
            Ok(document) => return Ok(document),
            Err(error) if kinds.len() > 1 && may_be_another(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Message(format!("Error: No such object: {name}")))
}

/// Not found, not a name that such a thing can have, or nothing that this daemon has.
fn may_be_another(error: &ClientError) -> bool {
    use http::StatusCode;
    matches!(error, ClientError::Refused { status, .. } if matches!(
        *status,
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::NOT_IMPLEMENTED
    ))
}
