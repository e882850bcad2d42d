//! `jocker images`

use api_spec::filters::Filters;
use api_spec::image::Summary;
use serde_json::{Map, Value, json};

use super::{Outcome, filters};
use crate::args::ImagesArgs;
use crate::client::{Client, Path};
use crate::render::list::{self, Column};
use crate::render::{size, time};

const COLUMNS: [Column; 11] = [
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "VIRTUAL SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];
const NONE: &str = "<none>";
const SHORT_ID: usize = 12;

pub(super) async fn images(client: &Client, args: ImagesArgs) -> Outcome {
    let mut filters = filters::parse(&args.filter)?;
    if let Some(reference) = &args.reference {
        filters.get_or_insert_with(Filters::default).insert("reference", reference);
    }
    let path = Path::new("/images/json")
        .flag("all", args.all)
        .flag("digests", args.digests)
        .maybe("filters", filters.map(|filters| filters.to_json()));
    let images: Vec<Summary> = client.get(&path).await?;
    let mut rows = Vec::new();
    for image in &images {
        if args.quiet {
            rows.push(row(image, NONE, NONE, NONE, args.no_trunc));
        } else {
            rows.extend(rows_of(image, args.digests, args.no_trunc));
        }
    }
    let shown: &[&str] = if args.digests {
        &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"]
    } else {
        &["Repository", "Tag", "ID", "CreatedSince", "Size"]
    };
    let format = if args.quiet { Some("{{.ID}}") } else { args.format.as_deref() };
    super::print(&list::render(format, &COLUMNS, shown, &rows)?)
}

/// A row for each tag; for each digest without a tag; or the one row of an image without a name.
fn rows_of(image: &Summary, with_digests: bool, whole: bool) -> Vec<Map<String, Value>> {
    let digests: Vec<(&str, &str)> = (image.repo_digests.iter().flatten())
        .filter_map(|name| name.split_once('@'))
        .filter(|(repository, _)| *repository != NONE)
        .collect();
    let tags: Vec<(&str, &str)> = (image.repo_tags.iter())
        .filter_map(|name| name.rsplit_once(':'))
        .filter(|(repository, _)| *repository != NONE)
        .collect();
    let digest_of = |repository: &str| {
        let found = digests.iter().find(|(known, _)| *known == repository);
        found.filter(|_| with_digests).map_or(NONE, |(_, digest)| digest)
    };
    let mut rows: Vec<_> = (tags.iter())
        .map(|(repository, tag)| row(image, repository, tag, digest_of(repository), whole))
        .collect();
    if rows.is_empty() {
        let shown = |(repository, digest): &(&str, &str)| {
            row(image, repository, NONE, if with_digests { digest } else { NONE }, whole)
        };
        rows = digests.iter().map(shown).collect();
    }
    if rows.is_empty() {
        rows.push(row(image, NONE, NONE, NONE, whole));
    }
    rows
}

fn row(
    image: &Summary,
    repository: &str,
    tag: &str,
    digest: &str,
    whole: bool,
) -> Map<String, Value> {
    let id = match image.id.strip_prefix("sha256:") {
        Some(hex) if !whole => hex.chars().take(SHORT_ID).collect(),
        _ => image.id.clone(),
    };
    let counted = |count: i64| if count < 0 { "N/A".to_owned() } else { count.to_string() };
    let measured = |bytes: i64| match bytes {
        ..0 => "N/A".to_owned(),
        bytes => size::decimal(bytes, 3),
    };
    let since = if image.created > 0 { time::ago(image.created) } else { "N/A".to_owned() };
    let unique = if image.shared_size < 0 { -1 } else { image.size - image.shared_size };
    let row = json!({
        "Repository": repository,
        "Tag": tag,
        "Digest": digest,
        "ID": id,
        "CreatedSince": since,
        "CreatedAt": time::local(image.created),
        "Size": size::decimal(image.size, 3),
        "Containers": counted(image.containers),
        "VirtualSize": size::decimal(image.size, 4),
        "SharedSize": measured(image.shared_size),
        "UniqueSize": measured(unique),
    });
    match row {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
