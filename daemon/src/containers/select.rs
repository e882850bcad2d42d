//! `GET /containers/json`: which containers, in which order, and how each row looks.

mod ports;
mod shown;

use std::collections::HashMap;

use api_spec::container::{
    ContainerSummary, HealthStatus, PortSummary, SummaryHealth, SummaryHostConfig,
    SummaryNetworkSettings,
};
use api_spec::filters::Filters;
use api_spec::network::PortBinding;
use api_spec::pattern::Patterns;
use jiff::Timestamp;

use super::error::Error;
use super::handle::{Handle, Snapshot};
use super::record::Definition;
use super::state::State;
use super::{Service, view};
use crate::spec::command_line;

pub(crate) use shown::{Form, Shown};

/// The keys that the list knows.
pub(crate) const FILTERS: [&str; 16] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "isolation",
    "is-task",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
    "driver",
];
const STATUSES: [&str; 7] =
    ["created", "dead", "exited", "paused", "removing", "restarting", "running"];

/// What a client wants to see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Not only those that run.
    pub(crate) all: bool,
    /// The newest so many, running or not; 0 for no limit.
    pub(crate) limit: usize,
    pub(crate) size: bool,
    pub(crate) filters: Filters,
}

/// A container and what it was when the list began.
struct Row {
    handle: Handle,
    seen: std::sync::Arc<Snapshot>,
}

pub(super) fn list(
    service: &Service,
    selection: &Selection,
) -> Result<Vec<ContainerSummary>, Error> {
    let now = Timestamp::now();
    let mut images = ImageNames::default();
    let rows = chosen(service, selection)?;
    let summaries = rows.iter().map(|row| {
        let image = images.shown(service, &row.handle.definition);
        summary(service, row, image, status(&row.seen, now), selection.size)
    });
    Ok(summaries.collect())
}

/// The list as JSON, in the form of an API version.
pub(super) fn json(
    service: &Service,
    selection: &Selection,
    form: &Form<'_>,
) -> Result<Vec<u8>, Error> {
    let now = Timestamp::now();
    let mut images = ImageNames::default();
    let mut json = vec![b'['];
    for (index, row) in chosen(service, selection)?.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        let image = images.shown(service, &row.handle.definition);
        let status = status(&row.seen, now);
        let written = match selection.size {
            true => form.write(summary(service, row, image, status, true), &mut json),
            false => row.write(service, form, (image, status), &mut json),
        };
        written.map_err(Error::internal)?;
    }
    json.extend_from_slice(b"]\n");
    Ok(json)
}

/// The containers to be listed, newest first.
fn chosen(service: &Service, selection: &Selection) -> Result<Vec<Row>, Error> {
    check(&selection.filters)?;
    let before = bound(service, &selection.filters, "before")?;
    let since = bound(service, &selection.filters, "since")?;
    let images = ancestors(service, &selection.filters);
    let names = selection.filters.patterns("name");
    let mut rows: Vec<Row> = (service.registry().all().into_iter())
        .map(|handle| Row { seen: handle.snapshot(), handle })
        .filter(|row| !matches!(row.seen.progress.state, State::Removed(_)))
        .collect();
    rows.sort_by(|a, b| b.handle.definition.created.cmp(&a.handle.definition.created));
    let everything = selection.all || selection.limit > 0 || asks_for_stopped(&selection.filters);
    rows.retain(|row| {
        let created = &row.handle.definition.created;
        (everything || is_up(&row.seen.progress.state))
            && before.as_ref().is_none_or(|bound| created < bound)
            && since.as_ref().is_none_or(|bound| created > bound)
            && images.as_ref().is_none_or(|images| images.contains(&row.handle.definition.image_id))
            && matches(service, &selection.filters, &names, row)
    });
    if selection.limit > 0 {
        rows.truncate(selection.limit);
    }
    Ok(rows)
}

fn is_up(state: &State) -> bool {
    matches!(state, State::Running(_) | State::Paused(_) | State::Restarting(_))
}

fn asks_for_stopped(filters: &Filters) -> bool {
    filters.contains("status") || filters.contains("exited")
}

fn asks_for_ports(filters: &Filters) -> bool {
    filters.contains("publish") || filters.contains("expose")
}

fn check(filters: &Filters) -> Result<(), Error> {
    let wrong = |key: &str, value: &str| Error::Invalid(format!("invalid filter '{key}={value}'"));
    filters.validate(&FILTERS).map_err(|error| Error::Invalid(error.to_string()))?;
    if let Some(status) = filters.get("status").find(|status| !STATUSES.contains(status)) {
        return Err(wrong("status", status));
    }
    if let Some(code) = filters.get("exited").find(|code| code.parse::<i32>().is_err()) {
        return Err(Error::Invalid(format!(
            "invalid filter 'exited={code}': strconv.Atoi: parsing {code:?}: invalid syntax"
        )));
    }
    filters.boolean("is-task").map_err(|error| Error::Invalid(error.to_string()))?;
    ports::check(filters)?;
    let health = ["none", "starting", "healthy", "unhealthy"];
    match filters.get("health").find(|value| !health.contains(value)) {
        Some(value) => {
            Err(Error::Invalid(format!("unrecognized filter value for health: {value}")))
        }
        None => Ok(()),
    }
}

/// When the container that `key` names was created.
fn bound(service: &Service, filters: &Filters, key: &str) -> Result<Option<String>, Error> {
    let name = filters.get(key).next();
    let handle = name.map(|name| service.resolve(name)).transpose()?;
    Ok(handle.map(|handle| handle.definition.created.clone()))
}

/// Ids of the images that `ancestor` names, if it is there.
fn ancestors(service: &Service, filters: &Filters) -> Option<Vec<String>> {
    if !filters.contains("ancestor") {
        return None;
    }
    let images =
        filters.get("ancestor").filter_map(|name| service.store.images().resolve(name).ok());
    Some(images.map(|image| image.id.to_string()).collect())
}

fn matches(service: &Service, filters: &Filters, names: &Patterns, row: &Row) -> bool {
    let definition = &row.handle.definition;
    let state = &row.seen.progress.state;
    let labels = definition.config.labels.as_ref();
    filters.matches_prefix("id", &definition.id)
        && (names.is_empty() || names.fit(&[&row.seen.name, &format!("/{}", row.seen.name)]))
        && filters.matches("status", state.status())
        && filters.matches_by("exited", |code| {
            let exit = state.exit().filter(|exit| exit.started_at.is_some());
            exit.is_some_and(|exit| Ok(exit.exit_code) == code.parse())
        })
        && filters.matches_labels("label", |key| labels?.get(key).map(String::as_str))
        && filters.matches_by("network", |wanted| {
            let mut networks = row.seen.progress.networks.iter();
            networks
                .any(|it| it.network == wanted || !it.id.is_empty() && it.id.starts_with(wanted))
        })
        && filters.matches("health", health(&row.seen).status.as_str())
        && filters.matches_by("is-task", |wanted| wanted == "false")
        && filters.matches_by("isolation", |wanted| wanted == "default")
        && (!asks_for_ports(filters) || ports::matches(filters, &ports_of(row)))
        && filters.matches_by("volume", |wanted| {
            view::mounts(service, definition)
                .iter()
                .any(|mount| mount.destination == wanted || mount.name == wanted)
        })
}

/// The ports of a container that runs: published ones with each place, others alone.
fn ports_of(row: &Row) -> Vec<PortSummary> {
    if row.seen.progress.state.running().is_none() {
        return Vec::new();
    }
    let mut list = Vec::new();
    for (port, bindings) in view::ports(&row.handle.definition, &row.seen) {
        let Some((number, kind)) = port.split_once('/') else { continue };
        let Ok(private_port) = number.parse() else { continue };
        let summary = |binding: Option<&PortBinding>| PortSummary {
            ip: binding.map(|binding| binding.host_ip.clone()),
            private_port,
            public_port: binding.and_then(|binding| binding.host_port.parse().ok()),
            r#type: kind.to_owned(),
        };
        match bindings {
            Some(bindings) => list.extend(bindings.iter().map(|binding| summary(Some(binding)))),
            None => list.push(summary(None)),
        }
    }
    list
}

fn summary(
    service: &Service,
    row: &Row,
    image: &str,
    status: String,
    size: bool,
) -> ContainerSummary {
    let definition = &row.handle.definition;
    let config = &definition.config;
    let size_rw = size.then(|| service.size_rw(&definition.id));
    ContainerSummary {
        id: definition.id.clone(),
        names: vec![format!("/{}", row.seen.name)],
        image: image.to_owned(),
        image_id: definition.image_id.clone(),
        command: command(&command_line(config)),
        created: parse(&definition.created).map_or(0, Timestamp::as_second),
        ports: ports_of(row),
        size_rw: size_rw.filter(|size| *size != 0),
        size_root_fs: size_rw.map(|own| own + service.image_size(&definition.image_id)),
        labels: config.labels.clone().unwrap_or_default(),
        state: row.seen.progress.state.status().to_owned(),
        status,
        host_config: SummaryHostConfig {
            network_mode: definition.host_config.network_mode.clone(),
            annotations: definition.host_config.annotations.clone(),
        },
        network_settings: SummaryNetworkSettings {
            networks: super::networks::endpoints(&definition.id, &row.seen.progress.networks),
        },
        mounts: view::mounts(service, definition),
        health: Some(health(&row.seen)),
    }
}

/// The ids of the images that clients named, each name looked up once a list.
#[derive(Default)]
struct ImageNames(HashMap<String, Option<String>>);

impl ImageNames {
    /// What the client called the image; its id once that is another image's name or nobody's.
    fn shown<'a>(&mut self, service: &Service, definition: &'a Definition) -> &'a str {
        let name = &definition.config.image;
        if !self.0.contains_key(name) {
            let image = service.store.images().resolve(name).ok();
            self.0.insert(name.clone(), image.map(|image| image.id.to_string()));
        }
        match self.0.get(name) {
            Some(Some(id)) if *id == definition.image_id => name,
            _ => &definition.image_id,
        }
    }
}

/// The command as one text; words with blanks in single quotes.
fn command(words: &[String]) -> String {
    let quoted = words.iter().map(|word| match word.contains(' ') {
        true => format!("'{word}'"),
        false => word.clone(),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn parse(time: &str) -> Option<Timestamp> {
    time.parse().ok()
}

fn health(seen: &Snapshot) -> SummaryHealth {
    let none = SummaryHealth { status: HealthStatus::None, failing_streak: 0 };
    seen.progress.health.as_ref().map_or(none, |health| SummaryHealth {
        status: health.status,
        failing_streak: health.failing_streak,
    })
}

fn status(seen: &Snapshot, now: Timestamp) -> String {
    let since = |time: Option<&String>| {
        let time = time.and_then(|time| parse(time));
        human(time.map_or(0, |time| now.as_second().saturating_sub(time.as_second())))
    };
    match &seen.progress.state {
        State::Running(running) => {
            let up = since(Some(&running.started_at));
            match health(seen).status {
                HealthStatus::None => format!("Up {up}"),
                HealthStatus::Starting => format!("Up {up} (health: starting)"),
                status => format!("Up {up} ({})", status.as_str()),
            }
        }
        State::Paused(running) => format!("Up {} (Paused)", since(Some(&running.started_at))),
        State::Restarting(exit) => {
            format!("Restarting ({}) {} ago", exit.exit_code, since(exit.finished_at.as_ref()))
        }
        State::Exited(exit) if exit.started_at.is_some() => {
            format!("Exited ({}) {} ago", exit.exit_code, since(exit.finished_at.as_ref()))
        }
        State::Removing(_) => "Removal In Progress".to_owned(),
        _ => "Created".to_owned(),
    }
}

/// A length of time in words, as the docker CLI has them.
fn human(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        3600..5400 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (120, "2 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (3 * 86400, "3 days"),
            (15 * 86400, "2 weeks"),
        ] {
            assert_eq!(human(seconds), text);
        }
    }

    #[test]
    fn commands_are_quoted() {
        assert_eq!(command(&["sh".into(), "-c".into(), "echo a".into()]), "sh -c 'echo a'");
    }
}
