//! The image's part of a container's configuration: what the client leaves open, the image decides.

use std::collections::BTreeMap;

use api_spec::container::{ContainerConfig, Empty, HealthConfig, StringList};
use serde::Deserialize;
use store::Image;

use crate::containers::error::Error;
use crate::images;

/// The fields of an image's config that only Docker has.
#[derive(Deserialize)]
struct DockerImage {
    #[serde(default)]
    config: Option<DockerConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerConfig {
    #[serde(default)]
    healthcheck: Option<HealthConfig>,
    #[serde(default)]
    shell: Option<StringList>,
}

/// Fills in what `config` leaves open.
pub(super) fn image(config: &mut ContainerConfig, image: &Image) -> Result<(), Error> {
    let docker: DockerImage = serde_json::from_slice(&image.config_raw).map_err(Error::internal)?;
    let docker = docker.config;
    let (check, shell) = docker.map_or((None, None), |docker| (docker.healthcheck, docker.shell));
    healthcheck(&mut config.healthcheck, check);
    if config.shell.is_none() {
        config.shell = shell;
    }
    let Some(defaults) = image.config.config() else {
        config.labels.get_or_insert_default();
        return Ok(());
    };
    let text = |own: &mut String, default: &Option<String>| {
        if own.is_empty() {
            own.clone_from(default.as_ref().unwrap_or(&String::new()));
        }
    };
    text(&mut config.user, defaults.user());
    text(&mut config.working_dir, defaults.working_dir());
    text(&mut config.stop_signal, defaults.stop_signal());
    config.env =
        Some(environment(config.env.take(), defaults.env().as_deref().unwrap_or_default()));
    let labels = config.labels.get_or_insert_default();
    for (key, value) in defaults.labels().iter().flatten() {
        labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    sets(&mut config.exposed_ports, defaults.exposed_ports().iter().flatten());
    sets(&mut config.volumes, defaults.volumes().iter().flatten());
    command(config, defaults.entrypoint().as_ref(), defaults.cmd().as_ref());
    Ok(())
}

/// The client's variables, then those of the image that it does not name.
fn environment(own: Option<Vec<String>>, image: &[String]) -> Vec<String> {
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let mut env = own.unwrap_or_default();
    let known: Vec<String> = env.iter().map(|variable| name(variable)).collect();
    env.extend(image.iter().filter(|variable| !known.contains(&name(variable))).cloned());
    env
}

fn sets<'a>(own: &mut Option<BTreeMap<String, Empty>>, image: impl Iterator<Item = &'a String>) {
    for key in image {
        own.get_or_insert_default().entry(key.clone()).or_default();
    }
}

/// Of the image's check, what the client's own leaves open.
fn healthcheck(own: &mut Option<HealthConfig>, image: Option<HealthConfig>) {
    let Some(image) = image else { return };
    let Some(own) = own else {
        *own = Some(image);
        return;
    };
    if own.test.as_ref().is_none_or(Vec::is_empty) {
        own.test = image.test;
    }
    for (own, image) in [
        (&mut own.interval, image.interval),
        (&mut own.timeout, image.timeout),
        (&mut own.start_period, image.start_period),
        (&mut own.start_interval, image.start_interval),
        (&mut own.retries, image.retries),
    ] {
        if *own == 0 {
            *own = image;
        }
    }
}

/// An entrypoint of the client's own takes the image's command away too.
fn command(
    config: &mut ContainerConfig,
    entrypoint: Option<&Vec<String>>,
    cmd: Option<&Vec<String>>,
) {
    let list = |words: Option<&Vec<String>>| words.map(|words| StringList(words.clone()));
    if config.entrypoint.as_ref().is_some_and(|own| !own.is_empty()) {
        return;
    }
    if config.cmd.as_ref().is_none_or(|own| own.is_empty()) {
        config.cmd = list(cmd);
    }
    if config.entrypoint.is_none() {
        config.entrypoint = list(entrypoint);
    }
}

/// Refuses an image of another platform than the one asked for; warns of one that is not the host's.
pub(super) fn platform(
    image: &Image,
    name: &str,
    asked: &str,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let has = format!("{}/{}", image.config.os(), image.config.architecture());
    let host = format!("linux/{}", native());
    if asked.is_empty() {
        if has != host {
            warnings.push(format!(
                "The requested image's platform ({has}) does not match the detected host platform ({host}) and no \
                 specific platform was requested"
            ));
        }
        return Ok(());
    }
    let wanted =
        images::platform::parse(asked).map_err(|error| Error::Invalid(error.to_string()))?;
    images::platform::mismatch(image, name, &wanted)
        .map_or(Ok(()), |why| Err(Error::WrongPlatform(why)))
}

fn native() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn environment_of_both() {
        let own = Some(words(&["A=1", "B"]));
        assert_eq!(environment(own, &words(&["A=2", "B=2", "C=3"])), ["A=1", "B", "C=3"]);
    }

    #[test]
    fn the_image_s_check_fills_in() {
        let test = |list: &[&str]| Some(words(list));
        let image = HealthConfig {
            test: test(&["CMD", "a"]),
            interval: 3,
            retries: 7,
            ..HealthConfig::default()
        };
        let mut own = None;
        healthcheck(&mut own, Some(image.clone()));
        assert_eq!(own.as_ref(), Some(&image));
        let mut own = Some(HealthConfig { interval: 4, ..HealthConfig::default() });
        healthcheck(&mut own, Some(image.clone()));
        assert_eq!(own, Some(HealthConfig { interval: 4, ..image.clone() }));
        let mut own = Some(HealthConfig { test: test(&["NONE"]), ..HealthConfig::default() });
        healthcheck(&mut own, Some(image));
        assert!(own.is_some_and(|own| own.is_off() && own.retries == 7));
    }

    #[test]
    fn command_and_entrypoint() {
        let run = |entrypoint: Option<&[&str]>, cmd: Option<&[&str]>| {
            let list = |list: Option<&[&str]>| list.map(|list| StringList(words(list)));
            let mut config = ContainerConfig {
                entrypoint: list(entrypoint),
                cmd: list(cmd),
                ..ContainerConfig::default()
            };
            command(&mut config, Some(&words(&["entry"])), Some(&words(&["cmd"])));
            crate::spec::command_line(&config)
        };
        assert_eq!(run(None, None), ["entry", "cmd"]);
        assert_eq!(run(None, Some(&["x"])), ["entry", "x"]);
        assert_eq!(run(Some(&["own"]), None), ["own"]);
        assert_eq!(run(Some(&[""]), Some(&["x"])), ["x"]);
        assert_eq!(run(Some(&[]), None), ["cmd"]);
    }
}
