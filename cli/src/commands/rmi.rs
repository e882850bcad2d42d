//! `jocker rmi`

use http::Method;
use serde::Deserialize;

use super::{Failure, Outcome};
use crate::args::RmiArgs;
use crate::client::{Client, Path};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Removed {
    untagged: Option<String>,
    deleted: Option<String>,
}

pub(super) async fn remove(client: &Client, args: &RmiArgs) -> Outcome {
    let mut failed = false;
    for name in &args.images {
        let path = Path::image(name, "")
            .flag("force", args.force)
            .flag("noprune", args.no_prune)
            .platforms("platforms", &args.platforms);
        match client.call::<Vec<Removed>>(Method::DELETE, &path, None::<&()>).await {
            Ok(removed) => {
                for step in removed {
                    if let Some(name) = step.untagged {
                        println!("Untagged: {name}");
                    }
                    if let Some(id) = step.deleted {
                        println!("Deleted: {id}");
                    }
                }
            }
            Err(error) => {
                eprintln!("{error}");
                // What is not there is removed, if need be.
                failed |= !(args.force && error.is_not_found());
            }
        }
    }
    if failed { Err(Failure::Exit(1)) } else { Ok(()) }
}
