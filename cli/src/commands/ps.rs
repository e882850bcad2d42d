//! `jocker ps`

use api_spec::container::{ContainerSummary, PortSummary};
use serde_json::{Map, Value, json};

use super::{Outcome, filters};
use crate::args::PsArgs;
use crate::client::{Client, Path};
use crate::render::list::{self, Column};
use crate::render::{size, table, time};

const COLUMNS: [Column; 14] = [
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
];
const SHOWN: [&str; 7] = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
/// Longest command and mount that are not cut, in characters.
const COMMAND_WIDTH: usize = 20;
const MOUNT_WIDTH: usize = 15;
const SHORT_ID: usize = 12;

pub(super) async fn ps(client: &Client, args: PsArgs) -> Outcome {
    let filters = filters::parse(&args.filter)?;
    let limit = if args.latest { Some(1) } else { args.last.filter(|count| *count > 0) };
    let asks_for_size = args.format.as_deref().is_some_and(|format| format.contains(".Size"));
    let path = Path::new("/containers/json")
        .flag("all", args.all || limit.is_some())
        .maybe("limit", limit)
        .flag("size", args.size || asks_for_size)
        .maybe("filters", filters.map(|filters| filters.to_json()));
    let containers: Vec<ContainerSummary> = client.get(&path).await?;
    let rows: Vec<Map<String, Value>> =
        containers.iter().map(|container| row(container, args.no_trunc)).collect();
    let mut shown = SHOWN.to_vec();
    if args.size {
        shown.push("Size");
    }
    let format = if args.quiet { Some("{{.ID}}") } else { args.format.as_deref() };
    super::print(&list::render(format, &COLUMNS, &shown, &rows)?)
}

fn row(container: &ContainerSummary, whole: bool) -> Map<String, Value> {
    let id: String = container.id.chars().take(if whole { usize::MAX } else { SHORT_ID }).collect();
    let cut = |text: &str, width: usize| match whole {
        true => text.to_owned(),
        false => table::ellipsis(text, width),
    };
    let names: Vec<&str> =
        container.names.iter().map(|name| name.trim_start_matches('/')).collect();
    let labels: Vec<String> =
        container.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mounts: Vec<String> = (container.mounts.iter())
        .map(|mount| if mount.name.is_empty() { &mount.source } else { &mount.name })
        .map(|name| cut(name, MOUNT_WIDTH))
        .collect();
    let local = container.mounts.iter().filter(|mount| mount.driver == "local").count();
    let networks: Vec<&str> =
        container.network_settings.networks.keys().map(String::as_str).collect();
    let row = json!({
        "ID": id,
        "Image": if container.image.is_empty() { "<no image>" } else { &container.image },
        "Command": format!("{:?}", cut(&container.command, COMMAND_WIDTH)),
        "CreatedAt": time::local(container.created),
        "RunningFor": time::ago(container.created),
        "State": container.state,
        "Status": container.status,
        "Ports": container.ports.iter().map(port).collect::<Vec<_>>().join(", "),
        "Names": names.join(","),
        "Size": sizes(container),
        "Labels": labels.join(","),
        "Mounts": mounts.join(","),
        "LocalVolumes": local.to_string(),
        "Networks": networks.join(","),
    });
    match row {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn port(port: &PortSummary) -> String {
    let inner = format!("{}/{}", port.private_port, port.r#type);
    match (port.public_port, port.ip.as_deref()) {
        (None, _) => inner,
        (Some(public), None | Some("")) => format!("{public}->{inner}"),
        (Some(public), Some(ip)) if ip.contains(':') => format!("[{ip}]:{public}->{inner}"),
        (Some(public), Some(ip)) => format!("{ip}:{public}->{inner}"),
    }
}

fn sizes(container: &ContainerSummary) -> String {
    let own = size::decimal(container.size_rw.unwrap_or(0), 3);
    match container.size_root_fs.unwrap_or(0) {
        0 => own,
        whole => format!("{own} (virtual {})", size::decimal(whole, 3)),
    }
}
