//! `jocker container prune`, `image prune`, `network prune`, `volume prune` and `system prune`: what nobody uses goes.

use std::io::{self, BufRead, Write};

use api_spec::container::ContainersPruned;
use api_spec::filters::Filters;
use api_spec::image::{Deleted, Pruned};
use api_spec::network::NetworksPruned;
use api_spec::volume::PruneReport;
use http::Method;

use super::{Failure, Outcome, filters};
use crate::args::{PruneAllArgs, PruneArgs, SystemPruneArgs};
use crate::client::{Client, Path};
use crate::render::size;

/// What one prune took away, to be told.
#[derive(Debug, Default)]
struct Gone {
    text: String,
    bytes: u64,
}

pub(super) async fn containers(client: &Client, args: &PruneArgs) -> Outcome {
    if !confirmed(args, "This will remove all stopped containers.")? {
        return Ok(());
    }
    told(&[prune_containers(client, filters(args)?).await?])
}

pub(super) async fn images(client: &Client, args: &PruneAllArgs) -> Outcome {
    let what = match args.all {
        true => "This will remove all images without at least one container associated to them.",
        false => "This will remove all dangling images.",
    };
    if !confirmed(&args.prune, what)? {
        return Ok(());
    }
    told(&[prune_images(client, filters(&args.prune)?, args.all).await?])
}

pub(super) async fn networks(client: &Client, args: &PruneArgs) -> Outcome {
    let what = "This will remove all custom networks not used by at least one container.";
    if !confirmed(args, what)? {
        return Ok(());
    }
    // Networks take no space that could be told.
    super::print(&prune_networks(client, filters(args)?).await?.text)
}

pub(super) async fn volumes(client: &Client, args: &PruneAllArgs) -> Outcome {
    let what = match args.all {
        true => "This will remove all local volumes not used by at least one container.",
        false => "This will remove anonymous local volumes not used by at least one container.",
    };
    if !confirmed(&args.prune, what)? {
        return Ok(());
    }
    told(&[prune_volumes(client, filters(&args.prune)?, args.all).await?])
}

pub(super) async fn system(client: &Client, args: &SystemPruneArgs) -> Outcome {
    let PruneAllArgs { all, prune } = &args.prune;
    let images = if *all { "all images without a container" } else { "all dangling images" };
    let volumes =
        if args.volumes { "\n  - all anonymous volumes not used by a container" } else { "" };
    let networks = "all networks not used by at least one container";
    let what = format!(
        "This will remove:\n  - all stopped containers\n  - {networks}{volumes}\n  - {images}"
    );
    if !confirmed(prune, &what)? {
        return Ok(());
    }
    let mut gone = vec![prune_containers(client, filters(prune)?).await?];
    gone.push(prune_networks(client, filters(prune)?).await?);
    if args.volumes {
        gone.push(prune_volumes(client, filters(prune)?, false).await?);
    }
    gone.push(prune_images(client, filters(prune)?, *all).await?);
    told(&gone)
}

fn filters(args: &PruneArgs) -> Result<Filters, Failure> {
    Ok(filters::parse(&args.filter)?.unwrap_or_default())
}

/// Whether to go on: `--force`, or a yes on stdin.
fn confirmed(args: &PruneArgs, what: &str) -> Result<bool, Failure> {
    if args.force {
        return Ok(true);
    }
    print!("WARNING! {what}\nAre you sure you want to continue? [y/N] ");
    io::stdout().flush().map_err(Failure::io("write to stdout"))?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(Failure::io("read stdin"))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

async fn prune_containers(client: &Client, filters: Filters) -> Result<Gone, Failure> {
    let path = Path::new("/containers/prune").with("filters", filters.to_json());
    let pruned: ContainersPruned = client.call(Method::POST, &path, None::<&()>).await?;
    let ids = pruned.containers_deleted.unwrap_or_default();
    Ok(Gone { text: section("Deleted Containers:", &ids), bytes: pruned.space_reclaimed })
}

async fn prune_images(client: &Client, mut filters: Filters, all: bool) -> Result<Gone, Failure> {
    filters.insert("dangling", if all { "false" } else { "true" });
    let path = Path::new("/images/prune").with("filters", filters.to_json());
    let pruned: Pruned = client.call(Method::POST, &path, None::<&()>).await?;
    let lines: Vec<String> = (pruned.images_deleted.into_iter().flatten())
        .map(|item| match item {
            Deleted::Untagged(name) => format!("untagged: {name}"),
            Deleted::Deleted(id) => format!("deleted: {id}"),
        })
        .collect();
    Ok(Gone { text: section("Deleted Images:", &lines), bytes: pruned.space_reclaimed })
}

async fn prune_networks(client: &Client, filters: Filters) -> Result<Gone, Failure> {
    let path = Path::new("/networks/prune").with("filters", filters.to_json());
    let pruned: NetworksPruned = client.call(Method::POST, &path, None::<&()>).await?;
    let text = section("Deleted Networks:", &pruned.networks_deleted.unwrap_or_default());
    Ok(Gone { text, bytes: 0 })
}

async fn prune_volumes(client: &Client, mut filters: Filters, all: bool) -> Result<Gone, Failure> {
    if all {
        filters.insert("all", "1");
    }
    let path = Path::new("/volumes/prune").with("filters", filters.to_json());
    let pruned: PruneReport = client.call(Method::POST, &path, None::<&()>).await?;
    let text = section("Deleted Volumes:", &pruned.volumes_deleted);
    Ok(Gone { text, bytes: pruned.space_reclaimed })
}

fn section(heading: &str, lines: &[String]) -> String {
    match lines {
        [] => String::new(),
        lines => format!("{heading}\n{}\n\n", lines.join("\n")),
    }
}

fn told(gone: &[Gone]) -> Outcome {
    let bytes = gone.iter().map(|gone| gone.bytes).sum::<u64>();
    let text: String = gone.iter().map(|gone| gone.text.as_str()).collect();
    let bytes = size::decimal(i64::try_from(bytes).unwrap_or(i64::MAX), 4);
    super::print(&format!("{text}Total reclaimed space: {bytes}\n"))
}
