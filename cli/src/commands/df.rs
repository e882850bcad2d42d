//! `jocker system df`

use api_spec::container::ContainerSummary;
use api_spec::image::Summary;
use api_spec::usage::DiskUsage;

use super::{Failure, Outcome};
use crate::args::DfArgs;
use crate::client::{Client, Path};
use crate::render::{size, table, time};

const NONE: &str = "<none>";
const SHORT_ID: usize = 12;
const COMMAND_WIDTH: usize = 20;

type Rows = Vec<Vec<String>>;

pub(super) async fn df(client: &Client, args: &DfArgs) -> Outcome {
    let usage: DiskUsage = client.get(&Path::new("/system/df")).await?;
    let images = images(&usage)?;
    match args.verbose {
        false => super::print(&table::align(&sums(&usage, &images))),
        true => super::print(&details(&usage, &images)),
    }
}

/// The images; lists of names may be null.
fn images(usage: &DiskUsage) -> Result<Vec<Summary>, Failure> {
    let read = |value: &serde_json::Value| {
        let bytes = value.to_string().into_bytes();
        api_spec::gojson::from_slice(&bytes)
            .map_err(|error| Failure::Message(format!("an image in the answer: {error}")))
    };
    usage.images.iter().flatten().map(read).collect()
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn sums(usage: &DiskUsage, images: &[Summary]) -> Rows {
    let used: i64 = (images.iter().filter(|image| image.containers > 0))
        .map(|image| image.size - image.shared_size.max(0))
        .sum();
    let active = images.iter().filter(|image| image.containers > 0).count();
    let containers = || usage.containers.iter().flatten();
    let is_up = |container: &&ContainerSummary| {
        matches!(container.state.as_str(), "running" | "paused" | "restarting")
    };
    let own = |container: &ContainerSummary| container.size_rw.unwrap_or(0);
    let volumes = || usage.volumes.iter().flatten().filter_map(|volume| volume.usage_data);
    let line = |kind: &str, total: usize, active: usize, size: i64, reclaimable: i64| {
        let percent = match size {
            1.. => format!(" ({}%)", reclaimable.saturating_mul(100) / size),
            _ => String::new(),
        };
        let reclaimable = format!("{}{percent}", size::decimal(reclaimable, 4));
        let size = size::decimal(size, 4);
        vec![kind.to_owned(), total.to_string(), active.to_string(), size, reclaimable]
    };
    vec![
        cells(["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]),
        line("Images", images.len(), active, usage.layers_size, usage.layers_size - used),
        line(
            "Containers",
            containers().count(),
            containers().filter(is_up).count(),
            containers().map(own).sum(),
            containers().filter(|container| !is_up(container)).map(own).sum(),
        ),
        line(
            "Local Volumes",
            volumes().count(),
            volumes().filter(|usage| usage.ref_count > 0).count(),
            volumes().map(|usage| usage.size.max(0)).sum(),
            volumes().filter(|usage| usage.ref_count == 0).map(|usage| usage.size.max(0)).sum(),
        ),
        line("Build Cache", 0, 0, 0, 0),
    ]
}

fn details(usage: &DiskUsage, images: &[Summary]) -> String {
    format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\n\
         Build cache usage: 0B\n",
        table::align(&image_rows(images)),
        table::align(&container_rows(usage)),
        table::align(&volume_rows(usage)),
    )
}

fn image_rows(images: &[Summary]) -> Rows {
    let headings = [
        "REPOSITORY",
        "TAG",
        "IMAGE ID",
        "CREATED",
        "SIZE",
        "SHARED SIZE",
        "UNIQUE SIZE",
        "CONTAINERS",
    ];
    let mut rows = vec![cells(headings)];
    for image in images {
        let name = image.repo_tags.first().and_then(|name| name.rsplit_once(':'));
        let (repository, tag) = name.unwrap_or((NONE, NONE));
        let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
        rows.push(vec![
            repository.to_owned(),
            tag.to_owned(),
            id.chars().take(SHORT_ID).collect(),
            time::ago(image.created),
            size::decimal(image.size, 3),
            size::decimal(image.shared_size, 4),
            size::decimal(image.size - image.shared_size, 4),
            image.containers.to_string(),
        ]);
    }
    rows
}

fn container_rows(usage: &DiskUsage) -> Rows {
    let headings =
        ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"];
    let mut rows = vec![cells(headings)];
    for container in usage.containers.iter().flatten() {
        let local = container.mounts.iter().filter(|mount| mount.driver == "local").count();
        let names: Vec<&str> =
            container.names.iter().map(|name| name.trim_start_matches('/')).collect();
        rows.push(vec![
            container.id.chars().take(SHORT_ID).collect(),
            container.image.clone(),
            format!("{:?}", table::ellipsis(&container.command, COMMAND_WIDTH)),
            local.to_string(),
            size::decimal(container.size_rw.unwrap_or(0), 3),
            time::ago(container.created),
            container.status.clone(),
            names.join(","),
        ]);
    }
    rows
}

fn volume_rows(usage: &DiskUsage) -> Rows {
    let mut rows = vec![cells(["VOLUME NAME", "LINKS", "SIZE"])];
    for volume in usage.volumes.iter().flatten() {
        let used = volume.usage_data.unwrap_or_default();
        let size = size::decimal(used.size, 4);
        rows.push(vec![volume.name.clone(), used.ref_count.to_string(), size]);
    }
    rows
}
