//! The volumes of a container: planned from what is asked for, taken up when it is made, mounted at each start,
//! released when it is removed.

mod from;
mod image;
mod subpath;

use std::path::PathBuf;
use std::sync::Arc;

use api_spec::container::{ContainerConfig, HostConfig, Mount, MountPoint};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::record::Definition;
use super::{Service, actor::Actor};
use crate::spec::{self, VolumeMount};
use crate::volumes::{DRIVER, Image, Wanted, What};

pub(crate) use image::ImageUse;

/// What Docker reports as the mode of a mount that was given none.
const PLAIN_MODE: &str = "z";

/// A volume that a container has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeUse {
    pub(crate) name: String,
    /// Where the container sees it.
    pub(crate) target: String,
    pub(crate) writable: bool,
    /// Options as the client wrote them, for inspect.
    pub(crate) mode: String,
    /// What of the volume is mounted; empty for all.
    pub(crate) subpath: String,
    /// Filled with what the image has there, when it is empty.
    pub(crate) copy: bool,
    /// Has no name of a client's: goes with the container if that is asked for.
    pub(crate) anonymous: bool,
}

/// The volumes of a container that is about to be made.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) uses: Vec<VolumeUse>,
    /// How each is made if it is missing; in the order of `uses`.
    pub(super) wanted: Vec<Wanted>,
    /// Binds of the containers that it takes volumes from.
    pub(super) inherited: Vec<Mount>,
}

impl Plan {
    fn add(&mut self, mut wanted: Wanted, each: VolumeUse) {
        let anonymous = wanted.name.is_empty();
        if anonymous {
            wanted = wanted.anonymous();
        }
        self.uses.push(VolumeUse {
            name: wanted.name.clone(),
            anonymous: anonymous || each.anonymous,
            ..each
        });
        self.wanted.push(wanted);
    }

    /// What is mounted here is replaced by something else.
    fn clear(&mut self, target: &str) {
        if let Some(at) = self.uses.iter().position(|each| each.target == target) {
            self.uses.remove(at);
            self.wanted.remove(at);
        }
        self.inherited.retain(|mount| mount.target != target);
    }

    fn has(&self, target: &str) -> bool {
        self.uses.iter().any(|each| each.target == target)
            || self.inherited.iter().any(|mount| mount.target == target)
    }
}

impl Service {
    /// What a new container gets. Nothing is made yet.
    pub(super) fn plan_volumes(
        &self,
        config: &ContainerConfig,
        host_config: &HostConfig,
    ) -> Result<Plan, Error> {
        let mut plan = Plan::default();
        for text in host_config.volumes_from.iter().flatten() {
            from::take(&mut plan, text, |name| Ok(self.resolve(name)?.definition))?;
        }
        let targets = spec::mount_targets(host_config);
        targets.iter().for_each(|target| plan.clear(target));
        for bind in spec::binds(host_config).filter(spec::Bind::is_volume) {
            let mode = if bind.mode.is_empty() { PLAIN_MODE } else { &bind.mode };
            let each = VolumeUse {
                writable: !bind.readonly,
                mode: mode.to_owned(),
                copy: bind.copy,
                target: bind.target,
                ..VolumeUse::default()
            };
            let name = bind.source.to_string_lossy().into_owned();
            let driver = host_config.volume_driver.clone();
            plan.add(Wanted { name, driver, ..Wanted::default() }, each);
        }
        let mounts = host_config.mounts.iter().flatten();
        for mount in mounts.filter(|mount| mount.r#type == "volume") {
            plan.add(wanted(mount), asked(mount));
        }
        for target in config.volumes.iter().flatten().map(|(path, _)| spec::clean_path(path)) {
            if !targets.contains(&target) && !plan.has(&target) {
                let each = VolumeUse { target, writable: true, copy: true, ..VolumeUse::default() };
                plan.add(Wanted::default(), each);
            }
        }
        Ok(plan)
    }

    /// Takes up the volumes of a container that is being made, and fills those that are empty.
    pub(super) fn take_up_volumes(
        &self,
        definition: &Definition,
        wanted: Vec<Wanted>,
        image: &Image<'_>,
    ) -> Result<(), Error> {
        for (each, wanted) in definition.volumes.iter().zip(wanted) {
            self.volumes.acquire(wanted, &definition.id)?;
            if each.copy {
                self.volumes.fill(&each.name, image, &each.target)?;
            }
        }
        Ok(())
    }

    /// The container is gone; `anonymous` takes its anonymous volumes along.
    pub(super) fn release_volumes(&self, definition: &Definition, anonymous: bool) {
        if definition.volumes.is_empty() {
            return;
        }
        let gone = definition.volumes.iter().filter(|each| anonymous && each.anonymous);
        let names: Vec<String> = gone.map(|each| each.name.clone()).collect();
        self.volumes.release(&definition.id, &names);
    }

    /// The container does not run any more, or not at all: its volumes need not be mounted for it.
    pub(super) async fn leave_volumes(self: &Arc<Self>, definition: &Arc<Definition>) {
        let of = |each: &&VolumeUse| self.volumes.has_filesystem(&each.name);
        let names: Vec<String> =
            definition.volumes.iter().filter(of).map(|each| each.name.clone()).collect();
        if names.is_empty() {
            return;
        }
        let (service, definition) = (Arc::clone(self), Arc::clone(definition));
        let leave =
            move || names.iter().for_each(|name| service.volumes.leave_for(name, &definition.id));
        if let Err(error) = tokio::task::spawn_blocking(leave).await {
            tracing::error!(%error, "volumes stay mounted");
        }
    }

    /// How the volumes of a container, and images, are mounted in it.
    pub(super) fn volume_mounts(&self, definition: &Definition) -> Result<Vec<VolumeMount>, Error> {
        let volumes = definition.volumes.iter().map(|each| self.volume_mount(each));
        volumes.chain(definition.images.iter().map(|each| self.image_mount(each))).collect()
    }

    fn volume_mount(&self, each: &VolumeUse) -> Result<VolumeMount, Error> {
        let volume = self.volumes.get(&each.name)?;
        let bind = |options: &[&str]| options.iter().map(|option| (*option).to_owned()).collect();
        let (source, mut options) = match volume.what() {
            What::Own | What::Filesystem(_) => {
                (self.volumes.place(&volume)?, bind(&["rbind", "rprivate"]))
            }
            What::Bind { device, options } => {
                self.check_device(&each.name, &device)?;
                (device, options)
            }
        };
        let (source, part) = match each.subpath.as_str() {
            "" => (source, None),
            subpath => (subpath::find(&source, subpath)?, Some((source, PathBuf::from(subpath)))),
        };
        options.extend((!each.writable).then(|| "ro".to_owned()));
        Ok(VolumeMount { target: each.target.clone(), kind: "bind", source, options, part })
    }

    fn check_device(&self, name: &str, device: &std::path::Path) -> Result<(), Error> {
        let Err(error) = device.symlink_metadata() else { return Ok(()) };
        let mountpoint = self.volumes.mountpoint(name);
        let device = device.display();
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => error.to_string(),
        };
        Err(Error::Internal(format!(
            "error while mounting volume '{mountpoint}': failed to mount local volume: mount \
             {device}:{mountpoint}: {why}"
        )))
    }

    /// The volumes of a container as inspect and list report them.
    pub(super) fn volume_points(&self, definition: &Definition) -> Vec<MountPoint> {
        let point = |each: &VolumeUse| MountPoint {
            r#type: "volume".to_owned(),
            name: each.name.clone(),
            source: self.volumes.mountpoint(&each.name),
            destination: each.target.clone(),
            driver: DRIVER.to_owned(),
            mode: each.mode.clone(),
            rw: each.writable,
            ..MountPoint::default()
        };
        definition.volumes.iter().map(point).collect()
    }
}

impl Actor {
    /// Tells that the container has its volumes now.
    pub(super) fn tell_volumes_mounted(&self) {
        for each in &self.definition.volumes {
            let attributes = [
                ("container", self.definition.id.clone()),
                ("destination", each.target.clone()),
                ("propagation", String::new()),
                ("read/write", each.writable.to_string()),
            ];
            self.service.volumes.tell("mount", &each.name, &attributes);
        }
    }

    /// Tells that the container has let go of its volumes.
    pub(super) fn tell_volumes_unmounted(&self) {
        for each in &self.definition.volumes {
            let container = ("container", self.definition.id.clone());
            self.service.volumes.tell("unmount", &each.name, &[container]);
        }
    }
}

fn wanted(mount: &Mount) -> Wanted {
    let options = mount.volume_options.clone().unwrap_or_default();
    let driver = options.driver_config.unwrap_or_default();
    Wanted {
        name: mount.source.clone(),
        driver: driver.name,
        options: driver.options,
        labels: options.labels,
    }
}

fn asked(mount: &Mount) -> VolumeUse {
    let options = mount.volume_options.clone().unwrap_or_default();
    VolumeUse {
        target: spec::clean_path(&mount.target),
        writable: !mount.read_only,
        mode: PLAIN_MODE.to_owned(),
        copy: !options.no_copy && options.subpath.is_empty(),
        subpath: options.subpath,
        ..VolumeUse::default()
    }
}
