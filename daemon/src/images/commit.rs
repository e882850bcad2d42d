//! `docker commit`: a container's changes become a layer, its configuration an image's.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use api_spec::container::{ContainerConfig, Empty};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use store::layer::pack::{Form, pack_directory};
use store::reference::Reference;
use store::{Digest, Image};

use super::{Error, Images, changes, tag};
use crate::containers::{self, Handle, MARK, State};

/// What is to be made of a container.
#[derive(Debug, Clone, Default)]
pub(crate) struct Commit {
    pub(crate) repository: String,
    pub(crate) tag: String,
    pub(crate) author: String,
    pub(crate) comment: String,
    /// Dockerfile instructions.
    pub(crate) changes: Vec<String>,
    /// The configuration to begin with; the container's own otherwise, which also fills the gaps.
    pub(crate) config: Option<ContainerConfig>,
    /// Freeze the container's processes meanwhile.
    pub(crate) pause: bool,
}

impl Images {
    /// Makes an image of a container; its id.
    pub(crate) async fn commit(&self, handle: &Handle, commit: Commit) -> Result<Digest, Error> {
        let reference = name(&commit.repository, &commit.tag)?;
        let own = &handle.definition.config;
        let mut config = commit.config.clone().unwrap_or_else(|| own.clone());
        changes::apply(&mut config, commit.changes.iter().map(String::as_str))?;
        fill_gaps(&mut config, own);
        // On a task of its own: a client that goes must not leave the container frozen.
        let (images, handle) = (self.clone(), handle.clone());
        let made = tokio::spawn(async move {
            let is_running = matches!(handle.snapshot().progress.state, State::Running(_));
            let mut frozen = commit.pause && is_running;
            if frozen && let Err(error) = handle.pause().await {
                // One that ends, or has just ended, changes nothing of its own will any more.
                if !matches!(error, containers::Error::Conflict(_)) {
                    return Err(Error::container(error));
                }
                frozen = false;
            }
            let work = handle.clone();
            let made =
                images.blocking(move |images| images.make(&work, commit, &config, reference)).await;
            if frozen && let Err(error) = handle.unpause().await {
                tracing::warn!(container.id = handle.id(), %error, "not unpaused after a commit");
            }
            made
        });
        made.await.map_err(|_| Error::Stopped)?
    }

    fn make(
        &self,
        handle: &Handle,
        commit: Commit,
        config: &ContainerConfig,
        reference: Option<Reference>,
    ) -> Result<Digest, Error> {
        let upper: OwnedFd = self.containers.upper(handle).map_err(Error::container)?;
        let base = Digest::parse(&handle.definition.image_id).ok();
        let base = base.and_then(|id| self.store.images().get(&id).transpose()).transpose()?;
        let base = base.ok_or_else(|| Error::NoSuchImage(handle.definition.image_id.clone()))?;
        let images = self.store.images();
        let form = Form::Layer { without: MARK };
        let layer = images.pack_layer(|mut into| pack_directory(&upper, None, form, &mut into))?;
        let document = document(handle, &base, &commit, config);
        let id = images.derive(Some(&base), &layer, document, reference.clone())?;
        let name = reference.map(|reference| reference.familiar()).unwrap_or_default();
        if !name.is_empty() {
            let image = images.get(&id)?;
            self.tell("tag", &id.to_string(), &name, image.as_deref());
        }
        let told = [("comment", commit.comment), ("imageID", id.to_string()), ("imageRef", name)];
        self.containers.tell(handle, "commit", &told);
        Ok(id)
    }
}

/// The name that the image gets, if it gets one.
pub(super) fn name(repository: &str, tag: &str) -> Result<Option<Reference>, Error> {
    (!repository.is_empty()).then(|| tag::target(repository, tag)).transpose()
}

/// The image's configuration file, without its layers.
fn document(
    handle: &Handle,
    base: &Image,
    commit: &Commit,
    config: &ContainerConfig,
) -> Map<String, Value> {
    let mut document: Map<String, Value> =
        serde_json::from_slice(&base.config_raw).unwrap_or_default();
    document.retain(|key, _| {
        matches!(
            key.as_str(),
            "architecture" | "os" | "os.version" | "os.features" | "variant" | "history"
        )
    });
    let definition = &handle.definition;
    let created = Timestamp::now().to_string();
    let words = definition.config.cmd.iter().flat_map(|words| words.iter().map(String::as_str));
    let step =
        step(&created, &words.collect::<Vec<_>>().join(" "), &commit.author, &commit.comment);
    let history = document.entry("history").or_insert_with(|| json!([]));
    match history.as_array_mut() {
        Some(steps) => steps.push(step),
        None => *history = json!([step]),
    }
    for (key, value) in [
        ("author", json!(commit.author)),
        ("comment", json!(commit.comment)),
        ("created", json!(created)),
        ("config", json!(config)),
        ("container", json!(definition.id)),
        ("container_config", json!(definition.config)),
        ("docker_version", json!(env!("CARGO_PKG_VERSION"))),
    ] {
        if value != json!("") {
            document.insert(key.to_owned(), value);
        }
    }
    document
}

/// One step of history; what is empty is left out.
pub(super) fn step(created: &str, by: &str, author: &str, comment: &str) -> Value {
    let all = [("created", created), ("created_by", by), ("author", author), ("comment", comment)];
    let said = all.into_iter().filter(|(_, text)| !text.is_empty());
    Value::Object(said.map(|(key, text)| (key.to_owned(), json!(text))).collect())
}

/// What the new configuration leaves open, the container's decides.
fn fill_gaps(config: &mut ContainerConfig, own: &ContainerConfig) {
    for (text, default) in [
        (&mut config.user, &own.user),
        (&mut config.working_dir, &own.working_dir),
        (&mut config.stop_signal, &own.stop_signal),
    ] {
        if text.is_empty() {
            text.clone_from(default);
        }
    }
    let name = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    let known: Vec<String> = config.env.iter().flatten().map(|line| name(line)).collect();
    let missing = own.env.iter().flatten().filter(|line| !known.contains(&name(line)));
    let missing: Vec<String> = missing.cloned().collect();
    if config.env.is_some() || !missing.is_empty() {
        config.env.get_or_insert_default().extend(missing);
    }
    for (key, value) in own.labels.iter().flatten() {
        let labels = config.labels.get_or_insert_default();
        labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    add(&mut config.exposed_ports, own.exposed_ports.as_ref());
    add(&mut config.volumes, own.volumes.as_ref());
    if config.entrypoint.as_ref().is_none_or(|words| words.is_empty()) {
        if config.cmd.as_ref().is_none_or(|words| words.is_empty()) {
            config.cmd.clone_from(&own.cmd);
        }
        if config.entrypoint.is_none() {
            config.entrypoint.clone_from(&own.entrypoint);
        }
    }
    if config.healthcheck.is_none() {
        config.healthcheck.clone_from(&own.healthcheck);
    }
}

type Set = BTreeMap<String, Empty>;

fn add(set: &mut Option<Set>, own: Option<&Set>) {
    for key in own.into_iter().flatten().map(|(key, _)| key) {
        set.get_or_insert_default().entry(key.clone()).or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled() {
        let read = |value: Value| serde_json::from_value::<ContainerConfig>(value).unwrap();
        let own = read(json!({
            "User": "5:7", "Env": ["A=1", "PATH=/bin"], "Cmd": ["old"], "Entrypoint": ["e"],
            "Labels": { "a": "own", "b": "own" }, "Volumes": { "/v": {} },
        }));
        let mut new = read(json!({ "Env": ["A=2"], "Cmd": ["new"], "Labels": { "a": "new" } }));
        fill_gaps(&mut new, &own);
        assert_eq!(
            (new.user.as_str(), new.env.unwrap()),
            ("5:7", vec!["A=2".into(), "PATH=/bin".into()])
        );
        assert_eq!(
            (&new.cmd.unwrap()[0], &new.entrypoint.unwrap()[0]),
            (&"new".to_owned(), &"e".to_owned())
        );
        let labels = new.labels.unwrap();
        assert_eq!((labels["a"].as_str(), labels["b"].as_str()), ("new", "own"));
        assert!(new.volumes.unwrap().contains_key("/v"));
        let mut entered = read(json!({ "Entrypoint": ["x"] }));
        fill_gaps(&mut entered, &own);
        assert_eq!(entered.cmd, None);
    }

    #[test]
    fn steps_say_only_what_there_is() {
        assert_eq!(step("now", "", "", "c"), json!({ "created": "now", "comment": "c" }));
    }
}
