//! `GET /system/df` (1.25): how much of the disk images, containers and volumes take. There is no
//! build cache.

use api_spec::container::ContainerSummary;
use api_spec::image::Summary;
use api_spec::usage::{DiskUsage, Sum, Usage};
use api_spec::volume::{UsageData, Volume};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::containers::Selection;
use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::http::images::list::shape;
use crate::http::{reply, volumes};
use crate::images::list::Wanted;

/// API 1.52 has sums in place of lists.
const LISTS_UNTIL: u32 = 52;
/// Since API 1.42 a client may ask for some of it.
const TYPES_SINCE: u32 = 42;
const TYPES: [&str; 4] = ["container", "image", "volume", "build-cache"];

pub(crate) async fn handle(
    State(app): State<App>,
    api: Api,
    query: Query,
) -> Result<Response, Error> {
    let asked: Vec<&str> = query.all("type").filter(|_| api.since(TYPES_SINCE)).collect();
    if let Some(other) = asked.iter().find(|kind| !TYPES.contains(kind)) {
        return Err(Error::bad_request(format!("unknown object type: {other}")));
    }
    let wants = |kind| asked.is_empty() || asked.contains(&kind);
    let found = Found {
        layers_size: if wants("image") { app.images.layers_size().await? } else { 0 },
        images: if wants("image") { Some(images(&app, api).await?) } else { None },
        containers: if wants("container") { Some(containers(&app).await?) } else { None },
        volumes: if wants("volume") { Some(all_volumes(&app).await?) } else { None },
        build_cache: wants("build-cache"),
    };
    Ok(match api.since(LISTS_UNTIL) {
        true => reply::json(StatusCode::OK, &found.sums(query.flag("verbose"))),
        false => reply::json(StatusCode::OK, &found.lists()),
    })
}

struct Found {
    layers_size: i64,
    images: Option<Vec<Summary>>,
    containers: Option<Vec<ContainerSummary>>,
    volumes: Option<Vec<Volume>>,
    build_cache: bool,
}

async fn images(app: &App, api: Api) -> Result<Vec<Summary>, Error> {
    let wanted = Wanted { shared_size: true, containers: true, ..Wanted::default() };
    let mut summaries = app.images.list(wanted).await?;
    summaries.iter_mut().for_each(|summary| shape(summary, api));
    Ok(summaries)
}

async fn containers(app: &App) -> Result<Vec<ContainerSummary>, Error> {
    let app = app.clone();
    let selection = Selection { all: true, size: true, ..Selection::default() };
    let list = tokio::task::spawn_blocking(move || app.containers.list(&selection)).await;
    Ok(list.map_err(Error::internal)??)
}

async fn all_volumes(app: &App) -> Result<Vec<Volume>, Error> {
    volumes::blocking(app, |volumes| {
        let used = volumes.used().into_iter().map(|(volume, users)| {
            let size = i64::try_from(volumes.size(&volume)).unwrap_or(i64::MAX);
            let ref_count = i64::try_from(users).unwrap_or(i64::MAX);
            let usage_data = Some(UsageData { ref_count, size });
            Volume { usage_data, ..volumes::shown(volumes, &volume) }
        });
        Ok(used.collect())
    })
    .await
}

impl Found {
    fn lists(self) -> DiskUsage {
        // dockerd has null here where the list of images has an empty one.
        let nulled = |summary: Summary| {
            let mut value = json!(summary);
            for key in ["RepoTags", "RepoDigests"] {
                if value[key] == json!([]) {
                    value[key] = Value::Null;
                }
            }
            value
        };
        DiskUsage {
            layers_size: self.layers_size,
            images: self.images.map(|images| images.into_iter().map(nulled).collect()),
            containers: self.containers,
            volumes: self.volumes,
            build_cache: self.build_cache.then(Vec::new),
        }
    }

    fn sums(self, verbose: bool) -> Usage {
        Usage {
            image_usage: self.images.map(|images| {
                let own = |image: &Summary| image.size.saturating_sub(image.shared_size);
                let mut sum = sum(&images, verbose, own, |image| image.containers > 0);
                let used: i64 = images.iter().filter(|image| image.containers > 0).map(own).sum();
                sum.total_size = self.layers_size;
                sum.reclaimable = self.layers_size.saturating_sub(used);
                sum
            }),
            container_usage: self.containers.map(|containers| {
                let size = |container: &ContainerSummary| container.size_rw.unwrap_or(0);
                sum(&containers, verbose, size, |container| {
                    matches!(container.state.as_str(), "running" | "paused" | "restarting")
                })
            }),
            volume_usage: self.volumes.map(|volumes| {
                let usage = |volume: &Volume| volume.usage_data.unwrap_or_default();
                let size = |volume: &Volume| usage(volume).size;
                sum(&volumes, verbose, size, |volume| usage(volume).ref_count > 0)
            }),
            build_cache_usage: self.build_cache.then(Sum::default),
        }
    }
}

fn sum<T: Serialize>(
    items: &[T],
    verbose: bool,
    size: impl Fn(&T) -> i64,
    is_active: impl Fn(&T) -> bool,
) -> Sum {
    let (active, idle): (Vec<&T>, Vec<&T>) = items.iter().partition(|item| is_active(item));
    let bytes = |list: &[&T]| list.iter().map(|item| size(item)).sum::<i64>();
    let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
    Sum {
        active_count: count(active.len()),
        total_count: count(items.len()),
        reclaimable: bytes(&idle),
        total_size: bytes(&active).saturating_add(bytes(&idle)),
        items: if verbose { items.iter().map(|item| json!(item)).collect() } else { Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_count_what_is_in_use() {
        let image = |size, shared_size, containers| Summary {
            size,
            shared_size,
            containers,
            ..Summary::default()
        };
        let found = Found {
            layers_size: 150,
            images: Some(vec![image(100, 50, 1), image(100, 50, 0)]),
            containers: Some(Vec::new()),
            volumes: None,
            build_cache: true,
        };
        let usage = json!(found.sums(false));
        assert_eq!(
            usage["ImageUsage"],
            json!({ "ActiveCount": 1, "TotalCount": 2, "Reclaimable": 100, "TotalSize": 150 })
        );
        assert!(usage.get("VolumeUsage").is_none());
    }
}
