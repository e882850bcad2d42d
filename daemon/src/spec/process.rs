//! The container's program: arguments, environment, directory, user, terminal, limits.

use std::path::PathBuf;

use api_spec::container::ContainerConfig;
use api_spec::exec::ExecConfig;
use oci_spec::runtime::{Box as Size, BoxBuilder, Process};
use runtime::plan::{Extras, Part};

use super::{Source, VolumeMount, caps, limits};

/// `PATH` of a container whose image names none.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Entrypoint and command as one line.
pub(crate) fn command_line(config: &ContainerConfig) -> Vec<String> {
    let entrypoint = config.entrypoint.as_deref().unwrap_or_default();
    let cmd = config.cmd.as_deref().unwrap_or_default();
    match entrypoint {
        // A single empty string resets the image's entrypoint to none.
        [only] if only.is_empty() => cmd.to_vec(),
        entrypoint => [entrypoint, cmd].concat(),
    }
}

/// The variables that the program sees: Docker's own, then the configuration's on top. A variable without `=`
/// is taken away.
pub(crate) fn environment(config: &ContainerConfig, tty: bool) -> Vec<String> {
    let mut env = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={}", config.hostname)];
    if tty {
        env.push("TERM=xterm".to_owned());
    }
    overlay(&mut env, config.env.iter().flatten());
    env
}

fn overlay<'a>(env: &mut Vec<String>, variables: impl Iterator<Item = &'a String>) {
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    for variable in variables {
        let place = env.iter().position(|set| name(set) == name(variable));
        match (place, variable.contains('=')) {
            (Some(place), true) => env[place].clone_from(variable),
            (Some(place), false) => drop(env.remove(place)),
            (None, true) => env.push(variable.clone()),
            (None, false) => {}
        }
    }
}

pub(super) fn build(source: &Source<'_>) -> Process {
    let (config, host_config) = (source.config, source.host_config);
    let names = caps::capabilities(host_config, &source.host.bounding);
    let no_new_privileges = host_config.security_opt.iter().flatten().any(|option| {
        matches!(option.replace('=', ":").as_str(), "no-new-privileges" | "no-new-privileges:true")
    });
    let mut process = base(config.tty, &command_line(config), &config.working_dir);
    process
        .set_console_size(size(config.tty, Some(host_config.console_size)))
        .set_env(Some(environment(config, config.tty)))
        .set_capabilities(Some(caps::sets(&names)))
        .set_rlimits(Some(limits::rlimits(host_config.ulimits.as_deref().unwrap_or_default())))
        .set_no_new_privileges(Some(no_new_privileges))
        .set_oom_score_adj(Some(host_config.oom_score_adj));
    process
}

fn base(tty: bool, args: &[String], directory: &str) -> Process {
    let cwd = if directory.is_empty() { "/" } else { directory };
    let mut process = Process::default();
    process
        .set_terminal(Some(tty))
        .set_args(Some(args.to_vec()))
        .set_cwd(PathBuf::from(cwd))
        .set_rlimits(Some(Vec::new()));
    process
}

fn size(tty: bool, console: Option<[u32; 2]>) -> Option<Size> {
    let [rows, columns] = console.filter(|size| tty && size.iter().all(|side| *side > 0))?;
    BoxBuilder::default().height(u64::from(rows)).width(u64::from(columns)).build().ok()
}

pub(super) fn extras(source: &Source<'_>) -> Extras {
    let wants_init = source.host_config.init == Some(true);
    Extras {
        user: Some(source.config.user.clone()).filter(|user| !user.is_empty()),
        group_add: source.host_config.group_add.clone().unwrap_or_default(),
        make_cwd: true,
        init: source.host.init.clone().filter(|_| wants_init),
        parts: source.volumes.iter().filter_map(part).collect(),
    }
}

fn part(volume: &VolumeMount) -> Option<Part> {
    let (root, beneath) = volume.part.clone()?;
    Some(Part { target: PathBuf::from(&volume.target), root, beneath })
}

/// The process of an exec in the container of `source`: what the exec does not say is that of the container's `process`.
pub(super) fn exec(
    source: &Source<'_>,
    mut process: Process,
    exec: &ExecConfig,
) -> (Process, Extras) {
    let mut env = environment(source.config, exec.tty);
    overlay(&mut env, exec.env.iter().flatten());
    let directory = match exec.working_dir.as_str() {
        "" => source.config.working_dir.as_str(),
        directory => directory,
    };
    process
        .set_terminal(Some(exec.tty))
        .set_console_size(size(exec.tty, exec.console_size))
        .set_args(Some(exec.cmd.as_deref().unwrap_or_default().to_vec()))
        .set_cwd(PathBuf::from(if directory.is_empty() { "/" } else { directory }))
        .set_env(Some(env));
    if exec.privileged {
        let all = source.host.bounding.iter().cloned().collect();
        process.set_capabilities(Some(caps::sets(&all)));
    }
    let user = if exec.user.is_empty() { &source.config.user } else { &exec.user };
    let extras = Extras {
        user: Some(user.clone()).filter(|user| !user.is_empty()),
        make_cwd: false,
        init: None,
        ..extras(source)
    };
    (process, extras)
}

#[cfg(test)]
mod tests {
    use api_spec::container::StringList;

    use super::*;

    fn list(words: &[&str]) -> Option<StringList> {
        Some(StringList(words.iter().map(|word| (*word).to_owned()).collect()))
    }

    #[test]
    fn entrypoint_and_command() {
        let line = |entrypoint, cmd| {
            command_line(&ContainerConfig { entrypoint, cmd, ..ContainerConfig::default() })
        };
        assert_eq!(line(None, list(&["a", "b"])), ["a", "b"]);
        assert_eq!(line(list(&["x"]), list(&["a"])), ["x", "a"]);
        assert_eq!(line(list(&[""]), list(&["a"])), ["a"]);
        assert!(line(None, None).is_empty());
    }

    #[test]
    fn environment_is_docker_s_then_the_container_s() {
        let config = ContainerConfig {
            hostname: "h".into(),
            env: Some(vec!["A=1".into(), "PATH=/x".into(), "A=2".into(), "HOSTNAME".into()]),
            ..ContainerConfig::default()
        };
        assert_eq!(environment(&config, true), ["PATH=/x", "TERM=xterm", "A=2"]);
    }
}
