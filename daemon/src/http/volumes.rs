//! Endpoints under /volumes: one a file.

pub(crate) mod create;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod prune;
pub(crate) mod remove;

use crate::app::App;
use crate::http::error::Error;
use crate::volumes::{self, DRIVER, Volume, Volumes};

/// A volume as the API shows it.
pub(super) fn shown(volumes: &Volumes, volume: &Volume) -> api_spec::volume::Volume {
    api_spec::volume::Volume {
        created_at: volume.created.clone(),
        driver: DRIVER.to_owned(),
        labels: volume.labels.clone(),
        mountpoint: volumes.mountpoint(&volume.name),
        name: volume.name.clone(),
        options: volume.options.clone(),
        scope: "local".to_owned(),
        usage_data: None,
    }
}

/// Runs a step that waits for the disk off the task threads.
pub(super) async fn blocking<T: Send + 'static>(
    app: &App,
    step: impl FnOnce(&Volumes) -> Result<T, volumes::Error> + Send + 'static,
) -> Result<T, Error> {
    let volumes = app.volumes.clone();
    let done = tokio::task::spawn_blocking(move || step(&volumes)).await;
    Ok(done.map_err(Error::internal)??)
}
