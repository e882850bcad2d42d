//! `jocker pull`, and the pull that `run` and `create` begin with when an image is missing.

use api_spec::progress::Message;
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Failure, Outcome, credentials};
use crate::args::PullArgs;
use crate::client::{Client, ClientError, Path};
use crate::render::progress::{Progress, Target};

/// Longest line of a progress stream, in bytes.
const LINE_LIMIT: usize = 1024 * 1024;
pub(super) const DEFAULT_TAG: &str = "latest";
const DEFAULT_REGISTRY: &str = "docker.io";

/// An image's name in two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// As it was written, with the registry if that was written.
    pub(super) repository: &'a str,
    /// A tag, or a digest with its algorithm.
    pub(super) suffix: Option<&'a str>,
}

impl<'a> Name<'a> {
    /// Takes a name apart; whether the parts are legal is the daemon's to say.
    pub(super) fn parse(text: &'a str) -> Self {
        if let Some((repository, digest)) = text.split_once('@') {
            let tagless = Self::parse(repository).repository;
            return Self { repository: tagless, suffix: Some(digest) };
        }
        let after_slash = text.rfind('/').map_or(0, |slash| slash + 1);
        match text[after_slash..].rfind(':') {
            Some(colon) => {
                let (repository, tag) = text.split_at(after_slash + colon);
                Self { repository, suffix: Some(&tag[1..]) }
            }
            None => Self { repository: text, suffix: None },
        }
    }

    /// The registry: the part before the first slash if that looks like a host.
    pub(super) fn registry(&self) -> &'a str {
        match self.repository.split_once('/') {
            Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
            _ => DEFAULT_REGISTRY,
        }
    }

    /// The name with everything that is left out by habit: `docker.io/library/busybox:latest`.
    pub(super) fn whole(&self) -> String {
        let suffix = self.suffix.unwrap_or(DEFAULT_TAG);
        let separator = if suffix.contains(':') { '@' } else { ':' };
        let registry = self.registry();
        let path = match self.repository.split_once('/') {
            Some((host, path)) if host == registry => path,
            _ => self.repository,
        };
        let library =
            if registry == DEFAULT_REGISTRY && !path.contains('/') { "library/" } else { "" };
        format!("{registry}/{library}{path}{separator}{suffix}")
    }
}

pub(super) async fn pull(client: &Client, args: PullArgs) -> Outcome {
    let name = Name::parse(&args.image);
    if args.all_tags && name.suffix.is_some() {
        return Err(Failure::Message("tag can't be used with --all-tags/-a".into()));
    }
    let target = if args.quiet { Target::Nowhere } else { Target::Stdout };
    if name.suffix.is_none() && !args.all_tags && !args.quiet {
        println!("Using default tag: {DEFAULT_TAG}");
    }
    let suffix = if args.all_tags { None } else { Some(name.suffix.unwrap_or(DEFAULT_TAG)) };
    fetch(client, name, suffix, args.platform.as_deref(), target).await?;
    println!("{}", if args.all_tags { args.image.clone() } else { name.whole() });
    Ok(())
}

/// Has the daemon pull, and shows how it gets on. Without a suffix: all tags.
pub(super) async fn fetch(
    client: &Client,
    name: Name<'_>,
    suffix: Option<&str>,
    platform: Option<&str>,
    target: Target,
) -> Outcome {
    let path = Path::new("/images/create")
        .with("fromImage", name.repository)
        .maybe("tag", suffix)
        .maybe("platform", platform);
    let secret = credentials::header(name.registry());
    let headers: Vec<(&str, String)> =
        secret.map(|secret| ("x-registry-auth", secret)).into_iter().collect();
    let body = client.stream_with(Method::POST, &path, &headers).await?.into_body();
    follow(&path, body, target).await
}

/// Shows a progress stream to its end.
pub(super) async fn follow(path: &Path, mut body: Incoming, target: Target) -> Outcome {
    let mut progress = Progress::new(target);
    let mut waiting = Vec::new();
    let mut failed = None;
    while let Some(frame) = body.frame().await {
        let broken = |source| ClientError::Body { path: path.to_string(), source };
        let Ok(bytes) = frame.map_err(|error| broken(error.into()))?.into_data() else { continue };
        waiting.extend_from_slice(&bytes);
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            let message: Message = api_spec::gojson::from_slice(&line)
                .map_err(|source| ClientError::Json { path: path.to_string(), source })?;
            progress.show(&message);
            failed = failed.or(message.error_detail.map(|error| error.message)).or(message.error);
        }
        if waiting.len() > LINE_LIMIT {
            return Err(Failure::Message(format!("progress line of more than {LINE_LIMIT} bytes")));
        }
    }
    progress.finish();
    match failed {
        Some(text) => Err(Failure::Message(text)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let cases = [
            ("busybox", ("busybox", None), "docker.io/library/busybox:latest"),
            ("a/b:1", ("a/b", Some("1")), "docker.io/a/b:1"),
            ("localhost:5000/x", ("localhost:5000/x", None), "localhost:5000/x:latest"),
            ("h.io/x:t@sha256:0", ("h.io/x", Some("sha256:0")), "h.io/x@sha256:0"),
            ("docker.io/busybox", ("docker.io/busybox", None), "docker.io/library/busybox:latest"),
        ];
        for (text, (repository, suffix), whole) in cases {
            let name = Name::parse(text);
            assert_eq!(name, Name { repository, suffix }, "{text}");
            assert_eq!(name.whole(), whole, "{text}");
        }
    }
}
