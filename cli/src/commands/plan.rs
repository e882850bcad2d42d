//! `jocker plan`: what a start of a container does.

use super::Outcome;
use crate::args::PlanArgs;
use crate::client::{Client, Path};
use crate::render::json;

pub(super) async fn plan(client: &Client, args: &PlanArgs) -> Outcome {
    let as_json = args.format == "json";
    let path = Path::container(&args.container, "/plan").with("format", &args.format);
    let answer = client.get_bytes(&path).await?;
    let text = String::from_utf8_lossy(&answer);
    match as_json {
        true => super::print(&(json::indent(&text, 0) + "\n")),
        false => super::print(&text),
    }
}
