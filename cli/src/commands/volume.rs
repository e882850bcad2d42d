//! `jocker volume`

use std::collections::BTreeMap;

use api_spec::volume::{CreateRequest, List, Volume};
use http::Method;
use serde_json::{Map, Value, json};

use super::{Failure, Outcome, filters, inspect, prune};
use crate::args::{InspectArgs, VolumeCommand, VolumeCreateArgs, VolumeLsArgs, VolumeRmArgs};
use crate::client::{Client, Path, encode_segment};
use crate::render::list::{self, Column};

const COLUMNS: [Column; 8] = [
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Scope", "SCOPE"),
    ("Labels", "LABELS"),
    ("Size", "SIZE"),
    ("Links", "LINKS"),
    ("Availability", "AVAILABILITY"),
];

pub(super) async fn volume(client: &Client, command: VolumeCommand) -> Outcome {
    match command {
        VolumeCommand::Create(args) => create(client, args).await,
        VolumeCommand::Ls(args) => ls(client, &args).await,
        VolumeCommand::Inspect(args) => {
            let kind = Some("volume".to_owned());
            let (format, names) = (args.format, args.names);
            inspect::inspect(client, InspectArgs { format, size: false, kind, names }).await
        }
        VolumeCommand::Rm(args) => remove(client, &args).await,
        VolumeCommand::Prune(args) => prune::volumes(client, &args).await,
    }
}

async fn create(client: &Client, args: VolumeCreateArgs) -> Outcome {
    let map = |pairs: &[String]| -> Option<BTreeMap<String, String>> {
        let pair = |pair: &String| match pair.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (pair.clone(), String::new()),
        };
        (!pairs.is_empty()).then(|| pairs.iter().map(pair).collect())
    };
    let request = CreateRequest {
        name: args.name.unwrap_or_default(),
        driver: args.driver,
        driver_opts: map(&args.opt),
        labels: map(&args.label),
        cluster_volume_spec: None,
    };
    let path = Path::new("/volumes/create");
    let made: Volume = client.call(Method::POST, &path, Some(&request)).await?;
    super::print(&format!("{}\n", made.name))
}

async fn ls(client: &Client, args: &VolumeLsArgs) -> Outcome {
    let filters = filters::parse(&args.filter)?;
    let path = Path::new("/volumes").maybe("filters", filters.map(|filters| filters.to_json()));
    let mut list: List = client.get(&path).await?;
    list.volumes.sort_by(|one, other| one.name.cmp(&other.name));
    let rows: Vec<Map<String, Value>> = list.volumes.iter().map(row).collect();
    let format = if args.quiet { Some("{{.Name}}") } else { args.format.as_deref() };
    super::print(&list::render(format, &COLUMNS, &["Driver", "Name"], &rows)?)
}

fn row(volume: &Volume) -> Map<String, Value> {
    let labels: Vec<String> =
        volume.labels.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    let row = json!({
        "Driver": volume.driver,
        "Name": volume.name,
        "Mountpoint": volume.mountpoint,
        "Scope": volume.scope,
        "Labels": labels.join(","),
        "Size": "N/A",
        "Links": "N/A",
        "Availability": "N/A",
    });
    match row {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

async fn remove(client: &Client, args: &VolumeRmArgs) -> Outcome {
    let mut failed = false;
    for name in &args.names {
        let path = Path::new(format!("/volumes/{}", encode_segment(name)));
        match client.command(Method::DELETE, &path.flag("force", args.force)).await {
            Ok(()) => println!("{name}"),
            Err(error) => {
                eprintln!("{error}");
                failed = true;
            }
        }
    }
    if failed { Err(Failure::Exit(1)) } else { Ok(()) }
}
