//! Log drivers and their options: what a client may ask for, and what the monitor is told. Docker looks at the names
//! of options when a container is created and at their values when it is started; so is it here.

mod options;
mod tag;

use std::collections::BTreeMap;
use std::path::Path;

use api_spec::container::LogConfig;
use runtime::launch::{LogConfig as Target, LogForm};

use super::actor::Actor;
use super::error::Error;
use super::record::Definition;
use crate::logs::{self, Form, Place, Source};
use options::Options;

/// Drivers that Docker has and that are not here.
const MISSING: [&str; 7] = ["syslog", "gelf", "fluentd", "awslogs", "splunk", "gcplogs", "etwlogs"];
/// Options that every driver has.
const COMMON: [&str; 2] = ["mode", "max-buffer-size"];
const FILE: [&str; 3] = ["max-size", "max-file", "compress"];
const ATTRIBUTES: [&str; 5] = ["labels", "env", "tag", "labels-regex", "env-regex"];

/// Files of a json-file log are rotated even if nobody asks for it: a log must not fill the disk.
const JSON_SIZE: u64 = 100 << 20;
const JSON_FILES: u32 = 5;
/// Docker's own, for `local`.
const LOCAL_SIZE: u64 = 20 << 20;
const LOCAL_FILES: u32 = 5;
/// Where the journal listens.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Digits of an id that stand for it.
const SHORT_ID: usize = 12;

/// The options that a driver knows; an error names a driver that is not there.
fn known(driver: &str) -> Result<Vec<&'static str>, Error> {
    let own: &[&[&str]] = match driver {
        "" | "json-file" => &[&FILE, &ATTRIBUTES],
        "local" => &[&FILE],
        "journald" => &[&ATTRIBUTES],
        "none" => &[],
        other if MISSING.contains(&other) => {
            let what = format!("log driver {other:?}; there are {}", logs::DRIVERS.join(", "));
            return Err(Error::Unsupported { field: "HostConfig.LogConfig.Type", what });
        }
        other => {
            return Err(Error::Invalid(format!(
                "error looking up logging plugin {other}: plugin \"{other}\" not found"
            )));
        }
    };
    Ok(own.iter().copied().flatten().chain(&COMMON).copied().collect())
}

/// Refuses a driver or an option that is not there.
pub(super) fn check(config: &LogConfig) -> Result<(), Error> {
    let driver = config.r#type.as_str();
    let known = known(driver)?;
    if driver == "none" {
        return Ok(());
    }
    Options::new(config).check_mode()?;
    for key in config.config.iter().flatten().map(|(key, _)| key.as_str()) {
        if !known.contains(&key) {
            let place = match driver {
                "local" => "log driver local".to_owned(),
                "" => "json-file log driver".to_owned(),
                other => format!("{other} log driver"),
            };
            return Err(Error::Invalid(format!("unknown log opt '{key}' for {place}")));
        }
    }
    Ok(())
}

/// Fills in what the client leaves to the daemon.
pub(super) fn fill(config: &mut LogConfig, default: &LogConfig) {
    if config.r#type.is_empty() {
        config.r#type.clone_from(&default.r#type);
    }
    let options = config.config.get_or_insert_default();
    if config.r#type == default.r#type {
        for (key, value) in default.config.iter().flatten() {
            options.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// Where the files of a container's log are, in which form; `None` if its driver keeps none.
pub(super) fn place(definition: &Definition, directory: &Path) -> Option<Place> {
    match definition.host_config.log_config.r#type.as_str() {
        "json-file" | "" => {
            let name = format!("{}-json.log", definition.id);
            Some(Place { path: directory.join(name), form: Form::Json })
        }
        "local" => Some(Place { path: directory.join("container.log"), form: Form::Local }),
        _ => None,
    }
}

/// Where a container's log can be read; `None` if its driver keeps nothing.
pub(super) fn source(definition: &Definition, directory: &Path) -> Option<Source> {
    match definition.host_config.log_config.r#type.as_str() {
        "journald" => Some(Source::Journal(definition.id.clone())),
        _ => place(definition, directory).map(Source::Files),
    }
}

/// What the monitor is told.
pub(super) fn config(
    definition: &Definition,
    name: &str,
    directory: &Path,
) -> Result<Target, Error> {
    target(definition, name, directory).map_err(|why| {
        let prefix = "failed to create task for container: failed to initialize logging driver";
        Error::Internal(format!("{prefix}: {why}"))
    })
}

fn target(definition: &Definition, name: &str, directory: &Path) -> Result<Target, String> {
    let options = Options::new(&definition.host_config.log_config);
    let place = place(definition, directory);
    match (definition.host_config.log_config.r#type.as_str(), place) {
        ("journald", _) => {
            if !Path::new(JOURNAL).exists() {
                return Err("journald is not enabled on this host".to_owned());
            }
            let fields = journal_fields(definition, name, &options)?;
            Ok(Target::Journal { fields, buffer: options.buffer()? })
        }
        (_, Some(Place { path, form: Form::Json })) => {
            let max_size = options.json_size()?;
            let max_file = options.files("", "max-file cannot be less than 1")?;
            let compress = options.compress("")?.unwrap_or(false);
            let mut attributes = options.attributes(&definition.config)?;
            if let Some(template) = options.get("tag").filter(|tag| !tag.is_empty()) {
                attributes.insert("tag".to_owned(), tag::render(template, definition, name)?);
            }
            Ok(Target::File {
                form: LogForm::Json { attributes },
                path,
                max_size: max_size.unwrap_or(Some(JSON_SIZE)),
                max_file: max_file.unwrap_or(JSON_FILES),
                compress,
                buffer: options.buffer()?,
            })
        }
        (_, Some(Place { path, form: Form::Local })) => {
            let max_size = options.local_size()?.unwrap_or(LOCAL_SIZE);
            let files = options.files("invalid value for max-file: {}: ", "");
            let max_file = files?.unwrap_or(LOCAL_FILES);
            let compress = options.compress("error reading compress log option: ")?;
            let compress = compress.unwrap_or(true);
            if compress && max_file < 2 {
                let why = "compression cannot be enabled when max file count is 1";
                return Err(why.to_owned());
            }
            let (form, max_size, buffer) = (LogForm::Local, Some(max_size), options.buffer()?);
            Ok(Target::File { form, path, max_size, max_file, compress, buffer })
        }
        (_, None) => Ok(Target::None),
    }
}

/// Docker's fields of the journal.
fn journal_fields(
    definition: &Definition,
    name: &str,
    options: &Options<'_>,
) -> Result<Vec<(String, String)>, String> {
    let template = options.get("tag").filter(|tag| !tag.is_empty()).unwrap_or("{{.ID}}");
    let tag = tag::render(template, definition, name)?;
    let short = definition.id.chars().take(SHORT_ID).collect();
    let fields = [
        ("CONTAINER_ID", short),
        ("CONTAINER_ID_FULL", definition.id.clone()),
        ("CONTAINER_NAME", name.to_owned()),
        ("CONTAINER_TAG", tag.clone()),
        ("IMAGE_NAME", definition.config.image.clone()),
        ("SYSLOG_IDENTIFIER", tag),
    ];
    let own = options.attributes(&definition.config)?.into_iter();
    let own = own.map(|(key, value)| (journal_name(&key), value));
    Ok(fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .chain(own.filter(|(key, _)| !key.is_empty()))
        .collect())
}

/// Names of fields are capitals, digits and underscores, and do not begin with an underscore.
fn journal_name(key: &str) -> String {
    let upper = key.to_ascii_uppercase();
    let plain = upper.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    plain.trim_start_matches('_').to_owned()
}

/// The default driver and its options, of the daemon's configuration.
pub(super) fn default(driver: Option<&str>, options: &BTreeMap<String, String>) -> LogConfig {
    LogConfig { r#type: driver.unwrap_or("json-file").to_owned(), config: Some(options.clone()) }
}

impl Actor {
    /// The monitor could not write the container's log, or can again.
    pub(super) fn log_lost(&self, error: &str, lost_bytes: u64, over: bool) {
        let id = &self.definition.id;
        match over {
            false => tracing::error!(
                container.id = id,
                error,
                "output is lost: no log entries can be kept"
            ),
            true => tracing::warn!(container.id = id, lost_bytes, "log entries are kept again"),
        }
    }
}

/// Refuses what can not be a default.
pub(crate) fn check_default(
    driver: Option<&str>,
    options: &BTreeMap<String, String>,
) -> Result<(), String> {
    check(&default(driver, options)).map_err(|error| error.to_string())
}
