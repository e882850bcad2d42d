//! An independent client: the bollard library, which follows Docker's own description of the API.

use std::collections::HashMap;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, CreateImageOptionsBuilder,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use futures_util::TryStreamExt;
use harness::registry::Registry;
use harness::{Daemon, IMAGE, name};

fn client(daemon: &Daemon) -> Docker {
    let socket = daemon.socket().to_str().expect("a path");
    Docker::connect_with_unix(socket, 60, bollard::API_DEFAULT_VERSION).expect("a client")
}

fn body(command: &[&str]) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        cmd: Some(command.iter().map(|word| (*word).to_owned()).collect()),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

#[tokio::test]
async fn reads_versions_and_info() {
    let daemon = Daemon::start();
    let docker = client(&daemon).negotiate_version().await.expect("a version");
    assert_eq!(docker.ping().await.expect("ping"), "OK");
    let version = docker.version().await.expect("version");
    assert_eq!(version.os.as_deref(), Some("linux"));
    let info = docker.info().await.expect("info");
    assert!(info.images >= Some(1));
}

#[tokio::test]
async fn creates_starts_waits_logs_removes() {
    let daemon = Daemon::start();
    let docker = client(&daemon).negotiate_version().await.expect("a version");
    let called = name();
    let options = CreateContainerOptionsBuilder::default().name(&called).build();
    let command = body(&["sh", "-c", "echo out; echo err >&2; exit 3"]);
    let made = docker.create_container(Some(options), command).await.expect("create");
    docker.start_container(&made.id, None).await.expect("start");
    let waited = docker.wait_container(&made.id, None).try_collect::<Vec<_>>().await;
    match waited {
        Err(bollard::errors::Error::DockerContainerWaitError { code, .. }) => assert_eq!(code, 3),
        other => panic!("{other:?}"),
    }
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).build();
    let lines: Vec<_> = docker.logs(&called, Some(options)).try_collect().await.expect("logs");
    let text: Vec<_> = lines.iter().map(ToString::to_string).collect();
    assert!(text.contains(&"out\n".to_owned()) && text.contains(&"err\n".to_owned()), "{text:?}");
    let state = docker.inspect_container(&called, None).await.expect("inspect");
    assert_eq!(state.state.and_then(|state| state.exit_code), Some(3));
    let filters = HashMap::from([("name".to_owned(), vec![called.clone()])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let list = docker.list_containers(Some(options)).await.expect("list");
    assert_eq!(list.len(), 1);
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    docker.remove_container(&called, Some(options)).await.expect("remove");
}

#[tokio::test]
async fn attaches_before_the_start() {
    let daemon = Daemon::start();
    let docker = client(&daemon).negotiate_version().await.expect("a version");
    let options = CreateContainerOptionsBuilder::default().name(&name()).build();
    let command = body(&["sh", "-c", "echo attached"]);
    let made = docker.create_container(Some(options), command).await.expect("create");
    let options = AttachContainerOptionsBuilder::default().stdout(true).stream(true).build();
    let attached = docker.attach_container(&made.id, Some(options)).await.expect("attach");
    docker.start_container(&made.id, None).await.expect("start");
    let output: Vec<LogOutput> = attached.output.try_collect().await.expect("output");
    let text: String = output.iter().map(ToString::to_string).collect();
    assert_eq!(text, "attached\n");
}

#[tokio::test]
async fn executes() {
    let daemon = Daemon::start();
    let docker = client(&daemon).negotiate_version().await.expect("a version");
    let id = daemon.sleeper();
    let options = CreateExecOptions {
        cmd: Some(vec!["sh", "-c", "echo hi; exit 4"]),
        attach_stdout: Some(true),
        ..CreateExecOptions::default()
    };
    let exec = docker.create_exec(&id, options).await.expect("create").id;
    let StartExecResults::Attached { output, .. } =
        docker.start_exec(&exec, None).await.expect("start")
    else {
        panic!("detached")
    };
    let output: Vec<_> = output.try_collect().await.expect("output");
    assert_eq!(output.iter().map(ToString::to_string).collect::<String>(), "hi\n");
    assert_eq!(docker.inspect_exec(&exec).await.expect("inspect").exit_code, Some(4));
}

#[tokio::test]
async fn pulls() {
    let daemon = Daemon::start();
    let registry = Registry::start();
    let reference = registry.push("sdk/pull", "v1", harness::image::Image::busybox());
    let docker = client(&daemon).negotiate_version().await.expect("a version");
    let options = CreateImageOptionsBuilder::default().from_image(&reference).build();
    let lines: Vec<_> =
        docker.create_image(Some(options), None, None).try_collect().await.expect("pull");
    assert!(!lines.is_empty());
    let image = docker.inspect_image(&reference).await.expect("inspect");
    assert_eq!(image.id, Some(harness::image::Image::busybox().id()));
}
