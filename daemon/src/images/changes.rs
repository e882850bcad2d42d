//! The Dockerfile instructions that `docker commit` and `docker import` take to change an image's
//! configuration (`--change`). Pure.
//!
//! Source: Dockerfile reference; the texts of refusals are dockerd's.

mod duration;
mod words;

use std::collections::BTreeMap;

use api_spec::container::{ContainerConfig, Empty, HealthConfig, StringList};

use super::Error;
use crate::containers::parse_signal;
use crate::spec::clean_path;
use words::{Variables, expand, json_list, pairs, split};

/// Instructions in one request at most.
const LIMIT: usize = 1000;
/// What runs a command that is one text.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];
/// Shortest time of a health check, in nanoseconds: a millisecond.
const SHORTEST: i64 = 1_000_000;

/// Changes a configuration by instructions, one or more lines each.
pub(super) fn apply<'a>(
    config: &mut ContainerConfig,
    texts: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    let mut has_command = false;
    let mut lines = Vec::new();
    for text in texts {
        let before = lines.len();
        lines.extend(words::lines(text));
        if lines.len() == before {
            return Err(Error::Invalid("file with no instructions".to_owned()));
        }
    }
    if lines.len() > LIMIT {
        return Err(Error::Invalid(format!("more than {LIMIT} changes")));
    }
    for line in lines {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        one(config, name, rest.trim(), &mut has_command).map_err(Error::Invalid)?;
    }
    Ok(())
}

fn one(
    config: &mut ContainerConfig,
    written: &str,
    rest: &str,
    has_command: &mut bool,
) -> Result<(), String> {
    let name = &*written.to_ascii_uppercase();
    let env = config.env.clone().unwrap_or_default();
    let variables = Variables(&env);
    match name {
        "CMD" => {
            config.cmd = command(config, rest);
            config.args_escaped = false;
            *has_command = !rest.is_empty();
        }
        "ENTRYPOINT" => {
            config.entrypoint = command(config, rest).filter(|words| !words.is_empty());
            // The command was meant for another program.
            if !*has_command {
                config.cmd = None;
            }
        }
        "ENV" => environment(config, &pairs(name, rest, variables)?),
        "EXPOSE" => expose(config, &several(name, rest, variables)?)?,
        "LABEL" => config.labels.get_or_insert_default().extend(pairs(name, rest, variables)?),
        "USER" => config.user = single(name, rest, variables)?,
        "VOLUME" => volumes(config, name, rest, variables)?,
        "WORKDIR" => {
            let directory = single(name, rest, variables)?;
            let joined = match directory.starts_with('/') {
                true => directory,
                false => format!("{}/{directory}", config.working_dir),
            };
            config.working_dir = clean_path(&joined);
        }
        "STOPSIGNAL" => {
            let signal = single(name, rest, variables)?;
            parse_signal(&signal).ok_or_else(|| format!("invalid signal: {signal}"))?;
            config.stop_signal = signal;
        }
        "HEALTHCHECK" => config.healthcheck = Some(health_check(rest)?),
        "ONBUILD" => {
            let trigger = trigger(rest)?;
            config.on_build.get_or_insert_default().push(trigger);
        }
        _ => return Err(format!("{written} is not a valid change command")),
    }
    Ok(())
}

/// A JSON list is the program and its arguments; anything else is for the shell.
fn command(config: &ContainerConfig, rest: &str) -> Option<StringList> {
    if let Some(words) = json_list(rest) {
        return Some(StringList(words));
    }
    if rest.is_empty() {
        return Some(StringList(Vec::new()));
    }
    let own = config.shell.as_ref().map(|shell| shell.0.clone()).filter(|own| !own.is_empty());
    let mut words = own.unwrap_or_else(|| SHELL.map(str::to_owned).to_vec());
    words.push(rest.to_owned());
    Some(StringList(words))
}

fn environment(config: &mut ContainerConfig, changes: &[(String, String)]) {
    let env = config.env.get_or_insert_default();
    for (name, value) in changes {
        let line = format!("{name}={value}");
        let is_it = |old: &&mut String| old.split('=').next() == Some(name);
        match env.iter_mut().find(is_it) {
            Some(old) => *old = line,
            None => env.push(line),
        }
    }
}

fn expose(config: &mut ContainerConfig, ports: &[String]) -> Result<(), String> {
    for port in ports {
        let invalid = || format!("Invalid containerPort: {port}");
        let (numbers, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        // What comes before a colon would be the host's.
        let numbers = numbers.rsplit(':').next().unwrap_or_default();
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let protocol = protocol.to_ascii_lowercase();
        if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
            return Err(format!("Invalid proto: {protocol}"));
        }
        let number = |text: &str| text.parse::<u16>().map_err(|_| invalid());
        for number in number(first)?..=number(last)? {
            let ports = config.exposed_ports.get_or_insert_default();
            ports.insert(format!("{number}/{protocol}"), Empty {});
        }
    }
    Ok(())
}

fn volumes(
    config: &mut ContainerConfig,
    name: &str,
    rest: &str,
    variables: Variables<'_>,
) -> Result<(), String> {
    let paths = match json_list(rest) {
        Some(paths) if paths.is_empty() => return several(name, "", variables).map(drop),
        Some(paths) => paths,
        None => several(name, rest, variables)?,
    };
    for path in paths {
        if path.trim().is_empty() {
            return Err("VOLUME specified can not be an empty string".to_owned());
        }
        let volumes: &mut BTreeMap<_, _> = config.volumes.get_or_insert_default();
        volumes.insert(path.trim().to_owned(), Empty {});
    }
    Ok(())
}

fn health_check(rest: &str) -> Result<HealthConfig, String> {
    let mut check = HealthConfig::default();
    let mut rest = rest;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (key, value) = flag.split_once('=').unwrap_or((flag, ""));
        if value.is_empty() {
            return Err(format!("Missing a value on flag: {key}"));
        }
        let time = || duration::parse(value).and_then(|time| long_enough(key, time));
        match key {
            "interval" => check.interval = time()?,
            "timeout" => check.timeout = time()?,
            "start-period" => check.start_period = time()?,
            "start-interval" => check.start_interval = time()?,
            "retries" => {
                let wrong = || format!("strconv.ParseInt: parsing {value:?}: invalid syntax");
                check.retries = value.parse().map_err(|_| wrong())?;
                if check.retries < 0 {
                    return Err(format!("--retries must be at least 0 (not {})", check.retries));
                }
            }
            key => return Err(format!("Unknown flag: {key}")),
        }
        rest = after.trim_start();
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    check.test = match kind.to_ascii_uppercase().as_str() {
        "" => return Err("HEALTHCHECK requires at least one argument".to_owned()),
        "NONE" if !command.is_empty() => {
            return Err("HEALTHCHECK NONE takes no arguments".to_owned());
        }
        "NONE" => Some(vec!["NONE".to_owned()]),
        "CMD" if command.is_empty() => {
            return Err("Missing command after HEALTHCHECK CMD".to_owned());
        }
        "CMD" => Some(match json_list(command) {
            Some(words) => [vec!["CMD".to_owned()], words].concat(),
            None => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        }),
        other => return Err(format!("Unknown type {other:?} in HEALTHCHECK (try CMD)")),
    };
    Ok(check)
}

/// Nothing, which is the default, or long enough to be a time.
fn long_enough(key: &str, time: i64) -> Result<i64, String> {
    match time {
        0 | SHORTEST.. => Ok(time),
        _ => Err(format!("Interval {key:?} cannot be less than 1ms")),
    }
}

fn trigger(rest: &str) -> Result<String, String> {
    let first = rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match first.as_str() {
        "" => Err("ONBUILD requires at least one argument".to_owned()),
        "ONBUILD" => Err("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned()),
        "FROM" | "MAINTAINER" => Err(format!("{first} isn't allowed as an ONBUILD trigger")),
        _ => Ok(rest.to_owned()),
    }
}

fn single(name: &str, rest: &str, variables: Variables<'_>) -> Result<String, String> {
    match rest {
        "" => Err(format!("{name} requires exactly one argument")),
        rest => expand(rest, variables),
    }
}

fn several(name: &str, rest: &str, variables: Variables<'_>) -> Result<Vec<String>, String> {
    match rest {
        "" => Err(format!("{name} requires at least one argument")),
        rest => split(rest).iter().map(|word| expand(word, variables)).collect(),
    }
}

#[cfg(test)]
mod tests;
