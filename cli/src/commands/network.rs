//! `jocker network`

use std::collections::BTreeMap;

use api_spec::network::{
    ConfigReference, EndpointIpamConfig, EndpointSettings, Network, NetworkConnect, NetworkCreate,
    NetworkCreated, NetworkDisconnect,
};
use http::Method;
use serde_json::{Map, Value, json};

use super::{Failure, Outcome, filters, inspect, prune};
use crate::args::{
    InspectArgs, NetworkCommand, NetworkConnectArgs, NetworkCreateArgs, NetworkDisconnectArgs,
    NetworkLsArgs, NetworkRmArgs,
};
use crate::client::{Client, Path, encode_segment};
use crate::render::list::{self, Column};
use crate::render::time;

mod ipam;

const COLUMNS: [Column; 9] = [
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];
const SHORT_ID: usize = 12;

pub(super) async fn network(client: &Client, command: NetworkCommand) -> Outcome {
    match command {
        NetworkCommand::Connect(args) => connect(client, *args).await,
        NetworkCommand::Create(args) => create(client, *args).await,
        NetworkCommand::Disconnect(args) => disconnect(client, args).await,
        NetworkCommand::Inspect(args) => {
            let kind = Some("network".to_owned());
            let (format, names) = (args.format, args.names);
            inspect::inspect(client, InspectArgs { format, size: false, kind, names }).await
        }
        NetworkCommand::Ls(args) => ls(client, &args).await,
        NetworkCommand::Prune(args) => prune::networks(client, &args).await,
        NetworkCommand::Rm(args) => remove(client, &args).await,
    }
}

/// `key=value` pairs; a key alone has an empty value.
fn map(pairs: &[String]) -> BTreeMap<String, String> {
    let split = |pair: &String| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key.to_owned(), value.to_owned())
    };
    pairs.iter().map(split).collect()
}

async fn create(client: &Client, args: NetworkCreateArgs) -> Outcome {
    let ipam = ipam::from(&args).map_err(Failure::Message)?;
    let request = NetworkCreate {
        name: args.name,
        driver: args.driver,
        scope: args.scope,
        enable_ipv4: args.ipv4,
        enable_ipv6: args.ipv6,
        ipam: Some(ipam),
        internal: args.internal,
        attachable: args.attachable,
        ingress: args.ingress,
        config_only: args.config_only,
        config_from: args.config_from.map(|network| ConfigReference { network }),
        options: Some(map(&args.opt)),
        labels: Some(map(&args.label)),
    };
    let path = Path::new("/networks/create");
    let made: NetworkCreated = client.call(Method::POST, &path, Some(&request)).await?;
    if !made.warning.is_empty() {
        eprintln!("WARNING: {}", made.warning);
    }
    super::print(&format!("{}\n", made.id))
}

async fn connect(client: &Client, args: NetworkConnectArgs) -> Outcome {
    let list = |values: Vec<String>| (!values.is_empty()).then_some(values);
    let asks = args.ip.is_some() || args.ip6.is_some() || !args.link_local_ip.is_empty();
    let ipam = EndpointIpamConfig {
        ipv4_address: args.ip.unwrap_or_default(),
        ipv6_address: args.ip6.unwrap_or_default(),
        link_local_ips: list(args.link_local_ip),
    };
    let endpoint = EndpointSettings {
        ipam_config: asks.then_some(ipam),
        links: list(args.link),
        aliases: list(args.alias),
        driver_opts: (!args.driver_opt.is_empty()).then(|| map(&args.driver_opt)),
        gw_priority: Some(args.gw_priority),
        ..EndpointSettings::default()
    };
    let request = NetworkConnect { container: args.container, endpoint_config: Some(endpoint) };
    let path = Path::new(format!("/networks/{}/connect", encode_segment(&args.network)));
    Ok(client.post_quietly(&path, &request).await?)
}

async fn disconnect(client: &Client, args: NetworkDisconnectArgs) -> Outcome {
    let request = NetworkDisconnect { container: args.container, force: args.force };
    let path = Path::new(format!("/networks/{}/disconnect", encode_segment(&args.network)));
    Ok(client.post_quietly(&path, &request).await?)
}

async fn ls(client: &Client, args: &NetworkLsArgs) -> Outcome {
    let filters = filters::parse(&args.filter)?;
    let path = Path::new("/networks").maybe("filters", filters.map(|filters| filters.to_json()));
    let mut networks: Vec<Network> = client.get(&path).await?;
    networks.sort_by(|one, other| one.name.cmp(&other.name));
    let rows: Vec<Map<String, Value>> =
        networks.iter().map(|network| row(network, args.no_trunc)).collect();
    let format = if args.quiet { Some("{{.ID}}") } else { args.format.as_deref() };
    super::print(&list::render(format, &COLUMNS, &["ID", "Name", "Driver", "Scope"], &rows)?)
}

fn row(network: &Network, whole: bool) -> Map<String, Value> {
    let id: String = network.id.chars().take(if whole { usize::MAX } else { SHORT_ID }).collect();
    let labels: Vec<String> =
        network.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let row = json!({
        "ID": id,
        "Name": network.name,
        "Driver": network.driver,
        "Scope": network.scope,
        // Daemons of this API version do not tell; every network of theirs has it.
        "IPv4": network.enable_ipv4.unwrap_or(true).to_string(),
        "IPv6": network.enable_ipv6.to_string(),
        "Internal": network.internal.to_string(),
        "Labels": labels.join(","),
        "CreatedAt": time::local_precise(&network.created),
    });
    match row {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

async fn remove(client: &Client, args: &NetworkRmArgs) -> Outcome {
    let mut failed = false;
    for name in &args.names {
        let path = Path::new(format!("/networks/{}", encode_segment(name)));
        match client.command(Method::DELETE, &path).await {
            Ok(()) => println!("{name}"),
            Err(error) if args.force && error.is_not_found() => {}
            Err(error) => {
                eprintln!("{error}");
                failed = true;
            }
        }
    }
    if failed { Err(Failure::Exit(1)) } else { Ok(()) }
}
