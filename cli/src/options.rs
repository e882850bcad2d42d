//! From the flags of `run` and `create` to the body of `POST /containers/create`. Pure but for the
//! files and the environment that flags name.

use std::collections::BTreeMap;
use std::io;

use api_spec::container::{ContainerConfig, Empty, HealthConfig, StringList};
use api_spec::network::{EndpointIpamConfig, EndpointSettings, NetworkingConfig};
use serde_json::Value;

use crate::args::ContainerOptions;
use crate::render::time;
use crate::terminal;

mod host;
mod mounts;
mod parse;
mod ports;

pub(crate) use parse::environment;

/// Why the flags can not be a container.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OptionsError {
    #[error("invalid argument {value:?} for {flag}: {reason}")]
    Invalid { flag: &'static str, value: String, reason: &'static str },
    #[error("{flag} {path}: {source}")]
    File { flag: &'static str, path: String, source: io::Error },
    #[error("{0}")]
    Conflict(&'static str),
    #[error("create body: {0}")]
    Json(#[from] serde_json::Error),
}

impl OptionsError {
    fn invalid(flag: &'static str, value: impl Into<String>, reason: &'static str) -> Self {
        Self::Invalid { flag, value: value.into(), reason }
    }
}

/// Which local streams are connected to the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

impl Attachment {
    /// By `--attach`; without it stdout, stderr and, if `--interactive`, stdin; nothing if detached.
    pub(crate) fn of(options: &ContainerOptions, detach: bool) -> Result<Self, OptionsError> {
        if detach {
            if !options.attach.is_empty() {
                return Err(OptionsError::Conflict(
                    "conflicting options: cannot specify both --attach and --detach",
                ));
            }
            return Ok(Self { stdin: false, stdout: false, stderr: false });
        }
        let all = options.attach.is_empty();
        let mut attachment = Self { stdin: all && options.interactive, stdout: all, stderr: all };
        for stream in &options.attach {
            match stream.to_lowercase().as_str() {
                "stdin" => attachment.stdin = true,
                "stdout" => attachment.stdout = true,
                "stderr" => attachment.stderr = true,
                _ => {
                    let reason = "valid streams are STDIN, STDOUT and STDERR";
                    return Err(OptionsError::invalid("--attach", stream, reason));
                }
            }
        }
        if attachment.stdin && options.tty && !terminal::stdin_is_terminal() {
            return Err(OptionsError::Conflict("the input device is not a TTY"));
        }
        Ok(attachment)
    }

    pub(crate) fn any(&self) -> bool {
        self.stdin || self.stdout || self.stderr
    }
}

/// The whole body.
pub(crate) fn request(
    options: &ContainerOptions,
    attachment: &Attachment,
) -> Result<Value, OptionsError> {
    let mut config = config(options, attachment)?;
    let host = host::config(options, &mut config)?;
    let mut body = serde_json::to_value(config)?;
    body["HostConfig"] = serde_json::to_value(host)?;
    body["NetworkingConfig"] = serde_json::to_value(networking(options))?;
    Ok(body)
}

fn config(
    options: &ContainerOptions,
    attachment: &Attachment,
) -> Result<ContainerConfig, OptionsError> {
    let [image, command @ ..] = options.image_and_command.as_slice() else {
        return Err(OptionsError::Conflict("an image is required"));
    };
    let mut labels = parse::files("--label-file", &options.label_file)?;
    labels.extend(options.label.iter().cloned());
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    let entrypoint = options.entrypoint.as_ref().map(|program| StringList(vec![program.clone()]));
    let exposed: BTreeMap<String, Empty> = ports::exposed(options)?;
    Ok(ContainerConfig {
        hostname: text(&options.hostname),
        domainname: text(&options.domainname),
        user: text(&options.user),
        attach_stdin: attachment.stdin,
        attach_stdout: attachment.stdout,
        attach_stderr: attachment.stderr,
        exposed_ports: (!exposed.is_empty()).then_some(exposed),
        tty: options.tty,
        open_stdin: options.interactive,
        stdin_once: options.interactive && attachment.stdin,
        env: Some(environment(&options.env, &options.env_file)?),
        cmd: (!command.is_empty()).then(|| StringList(command.to_vec())),
        healthcheck: health(options)?,
        image: image.clone(),
        volumes: Some(BTreeMap::new()),
        working_dir: text(&options.workdir),
        entrypoint,
        labels: Some(parse::map(&labels)),
        stop_signal: text(&options.stop_signal),
        stop_timeout: options.stop_timeout,
        ..ContainerConfig::default()
    })
}

fn health(options: &ContainerOptions) -> Result<Option<HealthConfig>, OptionsError> {
    let durations = [
        ("--health-interval", &options.health_interval),
        ("--health-timeout", &options.health_timeout),
        ("--health-start-period", &options.health_start_period),
        ("--health-start-interval", &options.health_start_interval),
    ];
    let given = durations.iter().any(|(_, text)| text.is_some())
        || options.health_cmd.is_some()
        || options.health_retries.is_some();
    if options.no_healthcheck {
        if given {
            return Err(OptionsError::Conflict(
                "--no-healthcheck conflicts with --health-* options",
            ));
        }
        let test = Some(vec!["NONE".to_owned()]);
        return Ok(Some(HealthConfig { test, ..HealthConfig::default() }));
    }
    if !given {
        return Ok(None);
    }
    let mut nanoseconds = [0; 4];
    for (place, (flag, text)) in nanoseconds.iter_mut().zip(durations) {
        if let Some(text) = text {
            *place = time::parse_duration(text)
                .ok_or_else(|| OptionsError::invalid(flag, text, "not a duration such as 30s"))?;
        }
    }
    let [interval, timeout, start_period, start_interval] = nanoseconds;
    let test = options.health_cmd.clone().map(|command| vec!["CMD-SHELL".to_owned(), command]);
    let retries = options.health_retries.unwrap_or(0);
    Ok(Some(HealthConfig { test, interval, timeout, start_period, start_interval, retries }))
}

fn networking(options: &ContainerOptions) -> NetworkingConfig {
    let network = options.network.as_deref().unwrap_or("default");
    let addressed = options.ip.is_some() || options.ip6.is_some();
    if !addressed && options.network_alias.is_empty() && options.mac_address.is_none() {
        return NetworkingConfig::default();
    }
    let endpoint = EndpointSettings {
        ipam_config: addressed.then(|| EndpointIpamConfig {
            ipv4_address: options.ip.clone().unwrap_or_default(),
            ipv6_address: options.ip6.clone().unwrap_or_default(),
            ..EndpointIpamConfig::default()
        }),
        aliases: (!options.network_alias.is_empty()).then(|| options.network_alias.clone()),
        mac_address: options.mac_address.clone().unwrap_or_default(),
        ..EndpointSettings::default()
    };
    let endpoints = BTreeMap::from([(network.to_owned(), endpoint)]);
    NetworkingConfig { endpoints_config: Some(endpoints) }
}

#[cfg(test)]
mod tests;
