//! `GET /images/{name}/json` (1.24): all that there is to know of one image.

use api_spec::image::{Config, GraphDriver, Inspect, Metadata, RootFs};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Image;
use store::reference::Reference;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::{Api, Name, Query};
use crate::http::reply;
use crate::images::list::bytes;

/// API versions that dropped fields.
const VIRTUAL_SIZE_UNTIL: u32 = 44;
const CONTAINER_UNTIL: u32 = 45;
const ENGINE_UNTIL: u32 = 52;
const CONTAINER_CONFIG_UNTIL: u32 = 50;
const EMPTY_FIELDS_UNTIL: u32 = 52;
/// API versions that brought parameters.
const MANIFESTS_SINCE: u32 = 48;
const PLATFORM_SINCE: u32 = 49;
/// Go's zero time: the image was never tagged here, or nobody wrote down when.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// What the image's configuration says and the typed one does not know.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    config: Option<Config>,
    container: String,
    container_config: Option<Value>,
    docker_version: String,
    comment: String,
    #[serde(rename = "os.version")]
    os_version: String,
    variant: String,
}

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    Name(name): Name,
    query: Query,
) -> Result<Response, Error> {
    let platforms = super::platforms(&query, "platform", api, PLATFORM_SINCE)?;
    let with_manifests = query.flag("manifests") && api.since(MANIFESTS_SINCE);
    if with_manifests && !platforms.is_empty() {
        let why = "conflicting options: manifests and platform options cannot both be set";
        return Err(Error::bad_request(why));
    }
    let image = app.images.find_for(&name, &platforms).await?;
    let root = app.store.root();
    let layers: Vec<String> = (image.chain.iter().rev())
        .map(|chain| root.join("layers").join(chain.hex()).join("diff").display().to_string())
        .collect();
    let mut shown = shape(&image, &layers, api);
    if with_manifests {
        shown.manifests = Some(vec![app.images.manifest(image).await?]);
    }
    Ok(reply::json(StatusCode::OK, &shown))
}

/// The answer in the shape that the client's version has. `layers`: directories, topmost first.
fn shape(image: &Image, layers: &[String], api: Api) -> Inspect {
    let raw: Raw = serde_json::from_slice(&image.config_raw).unwrap_or_default();
    let config = raw.config.unwrap_or_default();
    let history = image.config.history().iter().flatten().next_back();
    let comment = history.and_then(|step| step.comment().clone()).unwrap_or_default();
    let kept = |text: String| (!text.is_empty() || !api.since(EMPTY_FIELDS_UNTIL)).then_some(text);
    let some = |text: String| (!text.is_empty()).then_some(text);
    let size = bytes(image.size);
    let before_container_fields_went = !api.since(CONTAINER_UNTIL);
    let empty_config = || container_config(&Config::default());
    Inspect {
        id: image.id.to_string(),
        repo_tags: image.tags.iter().map(Reference::familiar).collect(),
        repo_digests: image.repo_digests.clone(),
        parent: kept(image.parent.as_ref().map(ToString::to_string).unwrap_or_default()),
        comment: if raw.comment.is_empty() { comment } else { raw.comment },
        created: image.created.map(|time| time.to_string()),
        container: some(raw.container).filter(|_| before_container_fields_went),
        container_config: before_container_fields_went
            .then(|| raw.container_config.unwrap_or_else(empty_config)),
        docker_version: kept(raw.docker_version).filter(|_| !api.since(ENGINE_UNTIL)),
        author: image.config.author().clone().unwrap_or_default(),
        config: if api.since(CONTAINER_CONFIG_UNTIL) {
            json!(config)
        } else {
            container_config(&config)
        },
        architecture: image.config.architecture().to_string(),
        variant: some(raw.variant),
        os: image.config.os().to_string(),
        os_version: some(raw.os_version),
        size,
        virtual_size: (!api.since(VIRTUAL_SIZE_UNTIL)).then_some(size),
        graph_driver: graph_driver(layers),
        root_fs: RootFs {
            kind: "layers".to_owned(),
            layers: image.config.rootfs().diff_ids().clone(),
        },
        metadata: Metadata { last_tag_time: NEVER.to_owned() },
        manifests: None,
    }
}

fn graph_driver(layers: &[String]) -> GraphDriver {
    let data = layers.split_first().map(|(upper, lower)| {
        let mut data = vec![("UpperDir".to_owned(), upper.clone())];
        if !lower.is_empty() {
            data.push(("LowerDir".to_owned(), lower.join(":")));
        }
        data.into_iter().collect()
    });
    GraphDriver { data, name: "overlay2".to_owned() }
}

/// The configuration as clients before API 1.50 expect it: a container's, mostly empty.
fn container_config(config: &Config) -> Value {
    let mut all = json!({
        "Hostname": "", "Domainname": "", "User": config.user, "AttachStdin": false,
        "AttachStdout": false, "AttachStderr": false, "Tty": false, "OpenStdin": false,
        "StdinOnce": false, "Env": config.env, "Cmd": config.cmd, "Image": "",
        "Volumes": config.volumes, "WorkingDir": config.working_dir,
        "Entrypoint": config.entrypoint, "OnBuild": config.on_build, "Labels": config.labels,
    });
    let rest = [
        ("ExposedPorts", json!(config.exposed_ports)),
        ("Healthcheck", json!(config.healthcheck)),
        ("ArgsEscaped", json!(config.args_escaped)),
        ("StopSignal", json!(config.stop_signal)),
        ("Shell", json!(config.shell)),
    ];
    for (name, value) in rest.into_iter().filter(|(_, value)| !value.is_null()) {
        all[name] = value;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_clients_get_a_container_s_configuration() {
        let config: Config = serde_json::from_str(r#"{"Cmd":["sh"],"StopSignal":"INT"}"#).unwrap();
        let shown = container_config(&config);
        assert_eq!(shown["Cmd"], json!(["sh"]));
        assert_eq!(shown["StopSignal"], "INT");
        assert_eq!(shown["Volumes"], Value::Null);
        assert_eq!(shown["Hostname"], "");
        assert!(shown.get("Shell").is_none());
    }

    #[test]
    fn the_topmost_layer_is_the_upper_one() {
        let driver = graph_driver(&["/3".into(), "/2".into(), "/1".into()]);
        let data = driver.data.unwrap();
        assert_eq!((data["UpperDir"].as_str(), data["LowerDir"].as_str()), ("/3", "/2:/1"));
        assert_eq!(graph_driver(&[]).data, None);
    }
}
