//! Creating a container: check what is asked, merge it with the image, store it, make its writable side. Nothing runs.

mod defaults;
mod merge;
mod ports;
mod storage;
mod supported;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api_spec::container::{CreateRequest, CreateResponse};
use runtime::view::View;
use store::image::ResolveError;
use store::{Image, RecordError, Snapshot};

use super::actor::{Actor, Seed, event};
use super::error::Error;
use super::files::{MARK, rootfs};
use super::record::{Definition, Progress, Writer};
use super::{Service, logging, names, networks, validate};
use crate::spec;
use crate::volumes::{self, Wanted};

pub(super) use supported::check as refuse_later;

/// Names that are tried for a container that comes without.
const NAME_TRIES: usize = 20;

impl Service {
    /// Creates a container. `platform` is `os/architecture[/variant]`, or empty for the host's.
    pub(super) async fn create(
        self: &Arc<Self>,
        request: CreateRequest,
        name: Option<String>,
        platform: String,
    ) -> Result<CreateResponse, Error> {
        let service = Arc::clone(self);
        let work = move || service.create_blocking(request, name.as_deref(), &platform);
        let (actor, created) =
            tokio::task::spawn_blocking(work).await.map_err(Error::internal)??;
        tokio::spawn(actor.run());
        Ok(created)
    }

    fn create_blocking(
        self: &Arc<Self>,
        mut request: CreateRequest,
        name: Option<&str>,
        platform: &str,
    ) -> Result<(Actor, CreateResponse), Error> {
        let name =
            name.map(|name| name.strip_prefix('/').unwrap_or(name)).filter(|name| !name.is_empty());
        if let Some(name) = name
            && !names::is_valid(name)
        {
            return Err(Error::Invalid(format!(
                "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            )));
        }
        let mut warnings = Vec::new();
        let exposed = request.config.exposed_ports.as_ref().is_some_and(|ports| !ports.is_empty());
        let image = self.image(&request.config.image, platform, &mut warnings)?;
        if let Some(image) = &image {
            merge::image(&mut request.config, image)?;
        }
        if spec::command_line(&request.config).is_empty() {
            return Err(Error::Invalid("no command specified".to_owned()));
        }
        let Some(image) = image else {
            return Err(Error::NoImage(request.config.image));
        };
        logging::fill(&mut request.host_config.log_config, &self.log_default);
        validate::config(&request.config)?;
        validate::drop_io_weights(&mut request.host_config, &self.facts, &mut warnings);
        validate::host_config(&request.host_config, &self.facts, &mut warnings)?;
        validate::modes(&request, |name| self.resolve(name).map(|peer| peer.definition))?;
        self.identify_peers(&mut request.host_config);
        supported::check(&request)?;
        storage::limit(request.host_config.storage_opt.as_ref(), &self.store)?;
        ports::check(&request, exposed, &mut warnings)?;
        let networks = networks::attachments(self, &request, &mut warnings)?;
        let main = networks.first().map(|main| main.asked.mac.clone());
        request.config.mac_address = main.unwrap_or_default();
        let links = networks::links(self, &request)?;
        request.host_config.links = None;
        let id = names::new_id();
        defaults::fill(&mut request, &id, &self.facts, |name| {
            self.resolve(name).ok().map(|peer| peer.definition.config.hostname.clone())
        });
        let CreateRequest { config, host_config, .. } = request;
        let plan = self.plan_volumes(&config, &host_config)?;
        let images = self.plan_images(&host_config)?;
        let definition = Definition {
            id: id.clone(),
            created: jiff::Timestamp::now().to_string(),
            image_id: image.id.to_string(),
            volumes: plan.uses,
            images,
            inherited: plan.inherited,
            links,
            config,
            host_config,
        };
        let progress = Progress { networks, ..Progress::default() };
        let actor = self.store_new(&Arc::new(definition), progress, name, &image, plan.wanted)?;
        Ok((actor, CreateResponse { id, warnings }))
    }

    pub(super) fn image(
        &self,
        name: &str,
        platform: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Arc<Image>>, Error> {
        if name.is_empty() {
            return Ok(None);
        }
        let image = self.store.images().resolve(name).map_err(|error| match error {
            ResolveError::NotFound(_) => Error::NoImage(familiar(name)),
            ResolveError::Ambiguous(_) | ResolveError::Invalid { .. } => {
                Error::Invalid(error.to_string())
            }
            ResolveError::Image(error) => Error::internal(error),
        })?;
        merge::platform(&image, name, platform, warnings)?;
        Ok(Some(image))
    }

    fn make_files(
        &self,
        definition: &Definition,
        image: &Image,
        wanted: Vec<Wanted>,
    ) -> Result<(), Error> {
        let limit = storage::limit(definition.host_config.storage_opt.as_ref(), &self.store)?;
        let snapshot = self.store.snapshots().prepare(&definition.id, image, limit);
        let snapshot = snapshot.map_err(|error| Error::stored(&error))?;
        let mark = snapshot.upper.join(MARK);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o755).open(&mark);
        made.map_err(|error| Error::Internal(format!("create {}: {error}", mark.display())))?;
        self.take_up_volumes(definition, wanted, &volumes::Image::new(&snapshot))?;
        make_working_directory(definition, &snapshot)
    }

    /// The record takes the name; the snapshot follows. If that fails, the record goes again.
    fn store_new(
        self: &Arc<Self>,
        definition: &Arc<Definition>,
        progress: Progress,
        name: Option<&str>,
        image: &Image,
        wanted: Vec<Wanted>,
    ) -> Result<Actor, Error> {
        let writer = Writer::new(self.store.records(), definition).map_err(Error::internal)?;
        let name = insert(&writer, name, &progress)?;
        if let Err(error) = self.make_files(definition, image, wanted) {
            self.release_volumes(definition, true);
            self.store.snapshots().remove(&definition.id).map_err(Error::internal)?;
            writer.delete().map_err(Error::internal)?;
            return Err(error);
        }
        let seed = Seed {
            definition: Arc::clone(definition),
            writer,
            name: name.clone(),
            progress,
            control: None,
        };
        let (actor, handle) = Actor::new(self, seed);
        self.registry().insert(handle, &name);
        self.events.publish(event(definition, &name, "create", &[]));
        Ok(actor)
    }
}

/// Makes the working directory that the image has not, so that files can be copied into it before the first start.
fn make_working_directory(definition: &Definition, snapshot: &Snapshot) -> Result<(), Error> {
    let directory = Path::new(&definition.config.working_dir);
    let Ok(inside) = directory.strip_prefix("/") else { return Ok(()) };
    let is_in = |layer: &PathBuf| layer.join(inside).symlink_metadata().is_ok_and(|it| it.is_dir());
    if inside.as_os_str().is_empty() || snapshot.lower.iter().any(is_in) {
        return Ok(());
    }
    let view = View::stopped_root(&rootfs(snapshot)).map_err(Error::internal)?;
    view.make_directory(directory).map_err(|error| Error::Invalid(error.call))
}

fn insert(writer: &Writer, name: Option<&str>, progress: &Progress) -> Result<String, Error> {
    for attempt in 0..NAME_TRIES {
        let tried = name.map_or_else(|| names::generate(attempt), str::to_owned);
        match writer.insert(&tried, progress) {
            Ok(()) => return Ok(tried),
            Err(RecordError::NameTaken { name: taken, holder, .. }) => {
                if name.is_some() {
                    return Err(Error::NameTaken { name: taken, holder });
                }
            }
            Err(error) => return Err(Error::internal(error)),
        }
    }
    Err(Error::Internal(format!("no free name after {NAME_TRIES} tries")))
}

/// `busybox` → `busybox:latest`, as Docker names an image that it does not have.
fn familiar(name: &str) -> String {
    let reference = store::Reference::parse_normalized(name);
    reference.map_or_else(|_| name.to_owned(), |reference| reference.familiar())
}
