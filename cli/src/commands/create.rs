//! `jocker create`, and the creation that `run` begins with.

use std::io::Write;

use api_spec::container::CreateResponse;
use http::Method;
use serde_json::Value;

use super::pull::{self, Name};
use super::{Failure, Outcome};
use crate::args::{ContainerOptions, CreateArgs, PullPolicy};
use crate::client::{Client, ClientError, Path};
use crate::options::{self, Attachment};
use crate::render::progress::Target;

pub(super) async fn create(client: &Client, args: CreateArgs) -> Outcome {
    let options = args.options;
    let attachment = Attachment::of(&options, false)?;
    let request = options::request(&options, &attachment)?;
    let id = container(client, &options, &request).await?;
    println!("{id}");
    Ok(())
}

/// Creates the container, pulling its image if that is missing and may be pulled. Returns its id.
pub(super) async fn container(
    client: &Client,
    options: &ContainerOptions,
    request: &Value,
) -> Result<String, Failure> {
    let image = options.image_and_command[0].as_str();
    if image.starts_with('-') && image != "-" {
        return Err(Failure::Message(format!("unknown flag: {image}")));
    }
    let cidfile = options.cidfile.as_deref().map(open_cidfile).transpose()?;
    if options.pull == PullPolicy::Always {
        fetch(client, options, image).await?;
    }
    let path = Path::new("/containers/create")
        .maybe("name", options.name.as_ref())
        .maybe("platform", options.platform.as_ref());
    let mut created = client.call::<CreateResponse>(Method::POST, &path, Some(request)).await;
    if let Err(error) = &created
        && is_missing_image(error)
        && options.pull == PullPolicy::Missing
    {
        if !options.quiet {
            let name = Name::parse(image);
            let suffix = name.suffix.unwrap_or("latest");
            let separator = if suffix.contains(':') { '@' } else { ':' };
            eprintln!("Unable to find image '{}{separator}{suffix}' locally", name.repository);
        }
        fetch(client, options, image).await?;
        created = client.call(Method::POST, &path, Some(request)).await;
    }
    let created = created?;
    for warning in &created.warnings {
        eprintln!("WARNING: {warning}");
    }
    if let Some(mut file) = cidfile {
        file.write_all(created.id.as_bytes()).map_err(Failure::io("write the cidfile"))?;
    }
    Ok(created.id)
}

/// Not found, and it is not a network or a container to share with that is missing.
fn is_missing_image(error: &ClientError) -> bool {
    error.is_not_found() && error.to_string().to_lowercase().contains("no such image")
}

async fn fetch(client: &Client, options: &ContainerOptions, image: &str) -> Outcome {
    let name = Name::parse(image);
    let target = if options.quiet { Target::Nowhere } else { Target::Stderr };
    let suffix = Some(name.suffix.unwrap_or("latest"));
    pull::fetch(client, name, suffix, options.platform.as_deref(), target).await
}

/// Makes the file before anything else, so that a container is never made without its note.
fn open_cidfile(path: &str) -> Result<std::fs::File, Failure> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(Failure::io(format!("create the container ID file {path}")))
}
