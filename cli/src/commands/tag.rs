//! `jocker tag`

use http::Method;

use super::Outcome;
use super::pull::Name;
use crate::args::TagArgs;
use crate::client::{Client, Path};

pub(super) async fn tag(client: &Client, args: &TagArgs) -> Outcome {
    let target = Name::parse(&args.target);
    let path = Path::image(&args.source, "/tag")
        .with("repo", target.repository)
        .maybe("tag", target.suffix);
    Ok(client.command(Method::POST, &path).await?)
}
