//! `jocker attach`, and `start --attach`.

use api_spec::container::WaitResponse;
use http::Method;
use serde_json::Value;

use super::{Failure, Outcome, run};
use crate::args::AttachArgs;
use crate::client::{Client, Path};
use crate::session::{self, Session};

pub(super) async fn attach(client: &Client, args: AttachArgs) -> Outcome {
    let container: Value = client.get(&Path::container(&args.container, "/json")).await?;
    let state = &container["State"];
    if state["Running"] != true {
        return refuse("You cannot attach to a stopped container, start it first");
    }
    if state["Paused"] == true {
        return refuse("You cannot attach to a paused container, unpause it first");
    }
    follow(client, &container, args, false).await
}

/// Attaches first, so that nothing is missed.
pub(super) async fn start_and_attach(client: &Client, args: AttachArgs) -> Outcome {
    let container: Value = client.get(&Path::container(&args.container, "/json")).await?;
    follow(client, &container, args, true).await
}

fn refuse(text: &str) -> Outcome {
    Err(Failure::Message(text.into()))
}

async fn follow(client: &Client, container: &Value, args: AttachArgs, start: bool) -> Outcome {
    let id = container["Id"].as_str().unwrap_or(&args.container);
    let tty = container["Config"]["Tty"] == true;
    let stdin = !args.no_stdin && container["Config"]["OpenStdin"] == true;
    let path = Path::container(id, "/attach")
        .with("stream", 1)
        .flag("stdin", stdin)
        .with("stdout", 1)
        .with("stderr", 1)
        .maybe("detachKeys", args.detach_keys.as_ref());
    let (from, to) = client.hijack(&path, None::<&()>).await?;
    if start {
        client.command(Method::POST, &Path::container(id, "/start")).await?;
    }
    let io = || Failure::io("listen for signals");
    let _signals = match args.sig_proxy && !tty {
        true => session::forward_signals(client, id).map_err(io())?,
        false => Vec::new(),
    };
    let _size = match tty {
        true => Some(session::follow_size(client, Path::container(id, "/resize")).map_err(io())?),
        false => None,
    };
    let session = Session { from, to, tty, stdin };
    session.run().await.map_err(Failure::io("pass on the container's output"))?;
    if tty && run::is_running(client, id).await {
        return Ok(());
    }
    let path = Path::container(id, "/wait");
    match client.call::<WaitResponse>(Method::POST, &path, None::<&()>).await {
        Ok(answer) => run::exit(answer.status_code),
        // It was removed as soon as it ended.
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
