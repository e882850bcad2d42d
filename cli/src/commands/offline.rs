//! `jocker image inspect`, `copy`, `unpack` and `verify`. What is not the daemon's is the work of the
//! program `jockerd`, run here as a command: it has the client of registries.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Map, Value};

use super::{Failure, Outcome, credentials, inspect};
use crate::args::{ImageCopyArgs, ImageInspectArgs, InspectArgs, OfflineArgs, OfflineHow};
use crate::client::Client;

/// Who does it.
const PROGRAM: &str = "jockerd";
/// What a place begins with.
const REGISTRY: &str = "docker://";
const TRANSPORTS: [&str; 4] = [REGISTRY, "oci:", "oci-archive:", "docker-archive:"];
const DEFAULT_DOMAIN: &str = "docker.io";

/// Of a place without a daemon; of a name the daemon is asked.
pub(super) async fn inspect(client: &Client, args: ImageInspectArgs) -> Outcome {
    let ImageInspectArgs { format, raw, config, how, names } = args;
    let is_place = |name: &String| TRANSPORTS.iter().any(|prefix| name.starts_with(prefix));
    if names.iter().all(is_place) {
        let flags = [("--raw", raw), ("--config", config)];
        let flags: Vec<&str> =
            flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag).collect();
        if format.is_some() {
            return Err(Failure::Message("--format is for images of the daemon".to_owned()));
        }
        return names
            .iter()
            .try_for_each(|name| offline("inspect", &flags, &how, std::slice::from_ref(name)));
    }
    if raw || config || how.platform.is_some() {
        let text = "--raw, --config and --platform are for places as docker://NAME".to_owned();
        return Err(Failure::Message(text));
    }
    let kind = Some("image".to_owned());
    inspect::inspect(client, InspectArgs { format, size: false, kind, names }).await
}

/// Of one platform, or all that the name leads to.
pub(super) fn copy(args: &ImageCopyArgs) -> Outcome {
    let flags: &[&str] = if args.all { &["--all"] } else { &[] };
    offline("copy", flags, &args.args.how, &args.args.places)
}

pub(super) fn run(verb: &str, args: &OfflineArgs) -> Outcome {
    offline(verb, &[], &args.how, &args.places)
}

fn offline(verb: &str, flags: &[&str], how: &OfflineHow, places: &[String]) -> Outcome {
    let mut command = Command::new(program());
    command.arg("image").arg(verb).args(flags);
    if let Some(platform) = &how.platform {
        command.args(["--platform", platform]);
    }
    for host in &how.insecure {
        command.args(["--insecure-registry", host]);
    }
    let known: Map<String, Value> = places
        .iter()
        .filter_map(|place| domain(place))
        .filter_map(|domain| Some((domain.to_owned(), credentials::document(domain)?)))
        .collect();
    if !known.is_empty() {
        command.arg("--credentials").stdin(Stdio::piped());
    }
    let failed = || Failure::io(format!("run {PROGRAM}"));
    let mut child = command.arg("--").args(places).spawn().map_err(failed())?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(Value::Object(known).to_string().as_bytes()).map_err(failed())?;
    }
    match child.wait().map_err(failed())?.code() {
        Some(0) => Ok(()),
        code => Err(Failure::Exit(code.unwrap_or(1))),
    }
}

/// Beside this program, or where programs are looked for.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
    beside.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from(PROGRAM))
}

/// The registry of a place, by the rule that Docker has for names.
fn domain(place: &str) -> Option<&str> {
    let name = place.strip_prefix(REGISTRY)?;
    let first = name.split_once('/').map(|(first, _)| first);
    let is_host = |first: &&str| first.contains(['.', ':']) || *first == "localhost";
    Some(first.filter(is_host).unwrap_or(DEFAULT_DOMAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_of_places() {
        assert_eq!(domain("docker://busybox"), Some("docker.io"));
        assert_eq!(domain("docker://a/b:1"), Some("docker.io"));
        assert_eq!(domain("docker://localhost:5000/a"), Some("localhost:5000"));
        assert_eq!(domain("docker://example.org/a/b"), Some("example.org"));
        assert_eq!(domain("oci:example.org/a"), None);
    }
}
