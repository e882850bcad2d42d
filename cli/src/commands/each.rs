//! `jocker stop`, `kill` and `rm`: the same request for each container. Those that fail are told
//! and do not keep the others from their turn.

use http::Method;

use super::{Failure, Outcome};
use crate::args::{KillArgs, RmArgs, StopArgs};
use crate::client::{Client, Path};

pub(super) async fn stop(client: &Client, args: &StopArgs) -> Outcome {
    for_each(client, &Method::POST, &args.containers, |name| {
        Path::container(name, "/stop")
            .maybe("signal", args.signal.as_ref())
            .maybe("t", args.timeout)
    })
    .await
}

pub(super) async fn kill(client: &Client, args: &KillArgs) -> Outcome {
    for_each(client, &Method::POST, &args.containers, |name| {
        Path::container(name, "/kill").maybe("signal", args.signal.as_ref())
    })
    .await
}

pub(super) async fn remove(client: &Client, args: &RmArgs) -> Outcome {
    for_each(client, &Method::DELETE, &args.containers, |name| {
        let name = name.strip_prefix('/').unwrap_or(name);
        Path::container(name, "")
            .flag("force", args.force)
            .flag("link", args.link)
            .flag("v", args.volumes)
    })
    .await
}

async fn for_each(
    client: &Client,
    method: &Method,
    names: &[String],
    path: impl Fn(&str) -> Path,
) -> Outcome {
    let mut failed = false;
    for name in names {
        match client.command(method.clone(), &path(name)).await {
            Ok(()) => println!("{name}"),
            Err(error) => {
                eprintln!("{error}");
                failed = true;
            }
        }
    }
    if failed { Err(Failure::Exit(1)) } else { Ok(()) }
}
