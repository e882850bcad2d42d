//! `jocker load` and `jocker import`: archives to the daemon.

use std::fs::File;
use std::io::{self, IsTerminal};

use http::Method;

use super::pull::{Name, follow};
use super::{Failure, Outcome};
use crate::args::{ImportArgs, LoadArgs};
use crate::client::{Client, Path, Upload};
use crate::render::progress::Target;

const TAR: &str = "application/x-tar";
/// dockerd takes a body of an import only with a type that is no form's.
const TEXT: &str = "text/plain";

pub(super) async fn load(client: &Client, args: &LoadArgs) -> Outcome {
    let body = match args.input.as_deref() {
        Some(name) => Upload::of(open(name)?),
        None if io::stdin().is_terminal() => {
            let text = "requested load from stdin, but stdin is empty";
            return Err(Failure::Message(text.into()));
        }
        None => Upload::of(io::stdin()),
    };
    let quiet = args.quiet || !io::stdout().is_terminal();
    let path = Path::new("/images/load")
        .with("quiet", u8::from(quiet))
        .platforms("platform", &args.platform);
    let headers = [("content-type", TAR.to_owned())];
    let answer = client.upload(Method::POST, &path, &headers, body).await?;
    follow(&path, answer.into_body(), Target::Stdout).await
}

pub(super) async fn import(client: &Client, args: &ImportArgs) -> Outcome {
    let is_url = args.source.contains("://");
    let body = match args.source.as_str() {
        "-" => Upload::of(io::stdin()),
        _ if is_url => Upload::of(io::empty()),
        name => Upload::of(open(name)?),
    };
    let source = if is_url { args.source.as_str() } else { "-" };
    let target = Name::parse(args.target.as_deref().unwrap_or_default());
    let mut path = Path::new("/images/create")
        .with("fromSrc", source)
        .with("repo", target.repository)
        .maybe("tag", target.suffix)
        .maybe("message", args.message.as_ref())
        .maybe("platform", args.platform.as_ref());
    for change in &args.change {
        path = path.with("changes", change);
    }
    let headers = [("content-type", TEXT.to_owned())];
    let answer = client.upload(Method::POST, &path, &headers, body).await?;
    follow(&path, answer.into_body(), Target::Stdout).await
}

fn open(name: &str) -> Result<File, Failure> {
    File::open(name).map_err(Failure::io(format!("open {name}")))
}
