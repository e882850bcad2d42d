//! `jocker history`

use api_spec::image::HistoryStep;
use serde_json::{Map, Value, json};

use super::Outcome;
use crate::args::HistoryArgs;
use crate::client::{Client, Path};
use crate::render::list::{self, Column};
use crate::render::{size, table, time};

const COLUMNS: [Column; 6] = [
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];
/// Longest step that is not cut, in characters.
const STEP_WIDTH: usize = 45;
const SHORT_ID: usize = 12;

pub(super) async fn history(client: &Client, args: HistoryArgs) -> Outcome {
    let path = Path::image(&args.image, "/history").platforms("platform", &args.platform);
    let steps: Vec<HistoryStep> = client.get(&path).await?;
    let rows: Vec<Map<String, Value>> =
        steps.iter().map(|step| row(step, args.no_trunc, args.human)).collect();
    let created = if args.human { "CreatedSince" } else { "CreatedAt" };
    let shown = ["ID", created, "CreatedBy", "Size", "Comment"];
    let format = if args.quiet { Some("{{.ID}}") } else { args.format.as_deref() };
    super::print(&list::render(format, &COLUMNS, &shown, &rows)?)
}

fn row(step: &HistoryStep, whole: bool, human: bool) -> Map<String, Value> {
    let id = match step.id.strip_prefix("sha256:") {
        Some(hex) if !whole => hex.chars().take(SHORT_ID).collect(),
        _ => step.id.clone(),
    };
    let by = step.created_by.replace('\t', " ");
    let row = json!({
        "ID": id,
        "CreatedSince": if step.created > 0 { time::ago(step.created) } else { "N/A".to_owned() },
        "CreatedAt": time::local(step.created),
        "CreatedBy": if whole { by } else { table::ellipsis(&by, STEP_WIDTH) },
        "Size": if human { size::decimal(step.size, 3) } else { step.size.to_string() },
        "Comment": step.comment,
    });
    match row {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
