//! `jocker start`

use http::Method;

use super::{Failure, Outcome, attach};
use crate::args::{AttachArgs, StartArgs};
use crate::client::{Client, Path};

pub(super) async fn start(client: &Client, args: StartArgs) -> Outcome {
    if args.attach || args.interactive {
        let [container] = args.containers.as_slice() else {
            return Err(Failure::Message(
                "you cannot start and attach multiple containers at once".into(),
            ));
        };
        let attachment = AttachArgs {
            detach_keys: args.detach_keys,
            no_stdin: !args.interactive,
            sig_proxy: true,
            container: container.clone(),
        };
        return attach::start_and_attach(client, attachment).await;
    }
    let mut failed = Vec::new();
    for name in &args.containers {
        match client.command(Method::POST, &Path::container(name, "/start")).await {
            Ok(()) => println!("{name}"),
            Err(error) => {
                eprintln!("{error}");
                failed.push(name.as_str());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Message(format!("Error: failed to start containers: {}", failed.join(", "))))
}
