//! `jocker push`

use http::Method;

use super::pull::{DEFAULT_TAG, Name, follow};
use super::{Failure, Outcome, credentials};
use crate::args::PushArgs;
use crate::client::{Client, Path};
use crate::render::progress::Target;

/// What the header holds when there are no credentials: an empty object. dockerd wants the header.
const NOBODY: &str = "e30=";

pub(super) async fn push(client: &Client, args: &PushArgs) -> Outcome {
    let name = Name::parse(&args.image);
    if args.all_tags && name.suffix.is_some() {
        return Err(Failure::Message("tag can't be used with --all-tags/-a".into()));
    }
    let mut suffix = name.suffix;
    if suffix.is_none() && !args.all_tags {
        if !args.quiet {
            println!("Using default tag: {DEFAULT_TAG}");
        }
        suffix = Some(DEFAULT_TAG);
    }
    let path = Path::image(name.repository, "/push")
        .maybe("tag", suffix)
        .platforms("platform", &args.platform);
    let secret = credentials::header(name.registry()).unwrap_or_else(|| NOBODY.to_owned());
    let headers = [("x-registry-auth", secret)];
    let answer = client.stream_with(Method::POST, &path, &headers).await?;
    let target = if args.quiet { Target::Nowhere } else { Target::Stdout };
    follow(&path, answer.into_body(), target).await?;
    if args.quiet {
        println!("{}", name.whole());
    }
    Ok(())
}
