//! `jocker stop`, `restart`, `pause`, `unpause`, `kill`, `rm` and `rename`: the same request for each container.
//! Those that fail are told and do not keep the others from their turn.

use http::Method;

use super::{Failure, Outcome};
use crate::args::{KillArgs, NamesArgs, RenameArgs, RmArgs, StopArgs};
use crate::client::{Client, Path};

pub(super) async fn stop(client: &Client, args: &StopArgs) -> Outcome {
    stop_by(client, args, "/stop").await
}

pub(super) async fn restart(client: &Client, args: &StopArgs) -> Outcome {
    stop_by(client, args, "/restart").await
}

pub(super) async fn pause(client: &Client, args: &NamesArgs) -> Outcome {
    let path = |name: &str| Path::container(name, "/pause");
    for_each(client, &Method::POST, &args.containers, path).await
}

pub(super) async fn unpause(client: &Client, args: &NamesArgs) -> Outcome {
    let path = |name: &str| Path::container(name, "/unpause");
    for_each(client, &Method::POST, &args.containers, path).await
}

pub(super) async fn rename(client: &Client, args: &RenameArgs) -> Outcome {
    let path = Path::container(&args.container, "/rename").maybe("name", Some(&args.name));
    match client.command(Method::POST, &path).await {
        Ok(()) => Ok(()),
        Err(error) => {
            eprintln!("{error}");
            Err(Failure::Exit(1))
        }
    }
}

async fn stop_by(client: &Client, args: &StopArgs, verb: &str) -> Outcome {
    for_each(client, &Method::POST, &args.containers, |name| {
        Path::container(name, verb).maybe("signal", args.signal.as_ref()).maybe("t", args.timeout)
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
