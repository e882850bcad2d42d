//! `jocker cp`: files between a container and here, by the docker CLI's rules of names.
//!
//! A source directory goes into a target that exists, or becomes a target that does not; with `/.` at
//! its end only its content goes. A file replaces a file, or goes into a directory.

mod local;

use std::io::{self, Write};

use api_spec::container::PathStat;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;

use super::{Failure, Outcome};
use crate::args::CpArgs;
use crate::client::{Client, Download, Path, Upload, download};
use crate::render::size;

const STAT: &str = "x-docker-container-path-stat";
/// Links that are followed at most.
const LINKS_LIMIT: usize = 20;

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side<'a> {
    Here(&'a str),
    There { container: &'a str, path: &'a str },
}

impl<'a> Side<'a> {
    /// A path that begins with a slash or a point is local whatever comes after.
    fn parse(text: &'a str) -> Self {
        match text.split_once(':') {
            Some((container, path)) if !text.starts_with(['/', '.']) => {
                Self::There { container, path }
            }
            _ => Self::Here(text),
        }
    }
}

pub(super) async fn cp(client: &Client, args: CpArgs) -> Outcome {
    match (Side::parse(&args.source), Side::parse(&args.target)) {
        (Side::There { container, path }, Side::Here(target)) => {
            from_container(client, &args, container, path, target).await
        }
        (Side::Here(source), Side::There { container, path }) => {
            to_container(client, &args, source, container, path).await
        }
        (Side::There { .. }, Side::There { .. }) => {
            Err(Failure::Message("copying between containers is not supported".into()))
        }
        (Side::Here(_), Side::Here(_)) => {
            Err(Failure::Message("must specify at least one container source".into()))
        }
    }
}

fn archive(container: &str, path: &str) -> Path {
    Path::container(container, "/archive").with("path", path)
}

async fn stat(client: &Client, container: &str, path: &str) -> Result<PathStat, Failure> {
    let path = archive(container, path);
    let response = client.stream(Method::HEAD, &path).await?;
    read_stat(response.headers())
}

fn read_stat(headers: &http::HeaderMap) -> Result<PathStat, Failure> {
    let wrong = || Failure::Message(format!("no {STAT} header in the daemon's answer"));
    let header = headers.get(STAT).ok_or_else(wrong)?;
    let json = STANDARD.decode(header).map_err(|_| wrong())?;
    serde_json::from_slice(&json).map_err(|_| wrong())
}

/// Follows a link in a container to its end, or to where nothing is; the path, and what is there.
async fn follow(
    client: &Client,
    container: &str,
    path: &str,
) -> Result<(String, Option<PathStat>), Failure> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_LIMIT {
        match stat(client, container, &path).await {
            Ok(seen) if seen.is_link() => path = seen.link_target,
            Ok(seen) => return Ok((path, Some(seen))),
            Err(Failure::Client(error)) if error.is_not_found() => return Ok((path, None)),
            Err(error) => return Err(error),
        }
    }
    Err(Failure::Message(format!("too many links at {path:?}")))
}

async fn from_container(
    client: &Client,
    args: &CpArgs,
    container: &str,
    source: &str,
    target: &str,
) -> Outcome {
    let mut path = source.to_owned();
    if args.follow_link {
        path = follow(client, container, source).await?.0;
    }
    // Content alone and directories asked for by a slash keep their meaning through links.
    let request = archive(container, &path);
    let response = client.stream(Method::GET, &request).await?;
    let seen = read_stat(response.headers())?;
    let body = response.into_body();
    if target == "-" {
        let copied = download(&request, body, |from: &mut Download| {
            io::copy(from, &mut io::stdout().lock())
        });
        return Ok(copied.await.map(drop)?);
    }
    let plan = local::Plan::new(target, &seen, local::base(source))?;
    let count = download(&request, body, move |from: &mut Download| plan.unpack(from)).await?;
    told(args, count, target);
    Ok(())
}

async fn to_container(
    client: &Client,
    args: &CpArgs,
    source: &str,
    container: &str,
    target: &str,
) -> Outcome {
    let (target, seen) = follow(client, container, target).await?;
    let is_directory = seen.as_ref().is_some_and(PathStat::is_directory);
    let put = |at: &str| {
        archive(container, at).with("noOverwriteDirNonDir", "true").flag("copyUIDGID", args.archive)
    };
    let headers = [("content-type", "application/x-tar".to_owned())];
    if source == "-" {
        if !is_directory {
            let text = format!("destination \"{container}:{target}\" must be a directory");
            return Err(Failure::Message(text));
        }
        let body = Upload::of(io::stdin());
        client.upload(Method::PUT, &put(&target), &headers, body).await?;
        return Ok(());
    }
    let found = local::Source::find(source, args.follow_link)?;
    let (at, name) = match (&seen, is_directory) {
        (Some(_), true) => (target.clone(), found.name.clone()),
        (Some(_), false) if found.is_directory => {
            return Err(Failure::Message("cannot copy directory".into()));
        }
        (None, _) if target.ends_with('/') && !found.is_directory => {
            return Err(Failure::Message("no such directory".into()));
        }
        _ => local::split(&target),
    };
    let counted = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = std::sync::Arc::clone(&counted);
    let body = Upload::new(move |into| found.pack(&name, &mut Counting { into, count: &count }));
    client.upload(Method::PUT, &put(&at), &headers, body).await?;
    let count = counted.load(std::sync::atomic::Ordering::Relaxed);
    told(args, count, &format!("{container}:{target}"));
    Ok(())
}

fn told(args: &CpArgs, bytes: u64, target: &str) {
    if !args.quiet {
        let bytes = size::decimal(i64::try_from(bytes).unwrap_or(i64::MAX), 4);
        eprintln!("Successfully copied {bytes} to {target}");
    }
}

struct Counting<'a> {
    into: &'a mut dyn Write,
    count: &'a std::sync::atomic::AtomicU64,
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.into.write(bytes)?;
        self.count.fetch_add(count as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart() {
        let there = Side::There { container: "c", path: "/x:y" };
        assert_eq!(Side::parse("c:/x:y"), there);
        assert_eq!(Side::parse("./c:/x"), Side::Here("./c:/x"));
        assert_eq!(Side::parse("/c:x"), Side::Here("/c:x"));
        assert_eq!(Side::parse("-"), Side::Here("-"));
    }
}
