//! `GET /info` (1.24): the host, the daemon and what it can do. What may change is read when asked.

use std::collections::BTreeMap;

use api_spec::system::{
    AddressPool, Commit, FirewallBackend, Index, Info, Plugins, RegistryConfig, Runtime, Swarm,
};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::config::LogLevel;
use crate::containers::RUNTIME_NAME;
use crate::host;
use crate::http::error::Error;
use crate::http::extract::Api;
use crate::http::reply;

/// API 1.50 dropped what only older clients show.
const TRIMMED_SINCE: u32 = 50;
/// API 1.49 tells what filters packets.
const FIREWALL_SINCE: u32 = 49;
/// API 1.25 wrote security options as keys and values, and dropped the execution driver.
const NAMED_OPTIONS_SINCE: u32 = 25;
/// API 1.42 dropped the limit of kernel memory.
const KERNEL_MEMORY_UNTIL: u32 = 42;
/// API 1.47 shows no longer where layers may come from that are not to be distributed.
const FOREIGN_LAYERS_UNTIL: u32 = 47;
const INDEX_SERVER: &str = "https://index.docker.io/v1/";

pub(crate) async fn handle(State(app): State<App>, api: Api) -> Result<Response, Error> {
    let (id, images) = (app.engine_id.clone(), app.images.count()?);
    let execution_driver = (!api.since(NAMED_OPTIONS_SINCE)).then(|| "<not supported>".to_owned());
    let info = Info { id, images, execution_driver, ..gather(&app, api) };
    Ok(reply::json(StatusCode::OK, &info))
}

fn gather(app: &App, api: Api) -> Info {
    let counts = app.containers.counts();
    let (open_files, threads) = host::own_usage();
    let (system, system_version) = host::operating_system();
    let cgroup_v2 = app.containers.cgroup_v2();
    let older = !api.since(TRIMMED_SINCE);
    let forwarding = host::sysctl("net/ipv4/ip_forward");
    let commit = || Commit { id: String::new(), expected: older.then(String::new) };
    Info {
        containers: counts.running + counts.paused + counts.stopped,
        containers_running: counts.running,
        containers_paused: counts.paused,
        containers_stopped: counts.stopped,
        driver: "overlay2".to_owned(),
        driver_status: driver_status(app),
        plugins: plugins(),
        memory_limit: true,
        swap_limit: true,
        kernel_memory: (!api.since(KERNEL_MEMORY_UNTIL)).then_some(false),
        kernel_memory_tcp: older.then_some(false),
        cpu_cfs_period: true,
        cpu_cfs_quota: true,
        cpu_shares: true,
        cpu_set: true,
        pids_limit: true,
        ipv4_forwarding: forwarding,
        bridge_nf_iptables: older.then(|| host::sysctl("net/bridge/bridge-nf-call-iptables")),
        bridge_nf_ip6tables: older.then(|| host::sysctl("net/bridge/bridge-nf-call-ip6tables")),
        debug: app.live.get().log_level == LogLevel::Debug,
        n_fd: open_files,
        oom_kill_disable: !cgroup_v2,
        n_goroutines: threads,
        system_time: jiff::Timestamp::now().to_string(),
        logging_driver: app.config.log_driver.clone().unwrap_or_else(|| "json-file".to_owned()),
        cgroup_driver: app.config.cgroups.driver.name().to_owned(),
        cgroup_version: if cgroup_v2 { "2" } else { "1" }.to_owned(),
        n_events_listener: app.events.listeners(),
        kernel_version: host::kernel_version(),
        operating_system: system,
        os_version: system_version,
        os_type: "linux".to_owned(),
        architecture: host::machine(),
        index_server_address: INDEX_SERVER.to_owned(),
        registry_config: registries(app, api),
        n_cpu: host::processors(),
        mem_total: host::memory_bytes(),
        docker_root_dir: app.config.data_root.display().to_string(),
        name: host::name(),
        labels: app.live.get().labels.clone(),
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
        runtimes: BTreeMap::from([(
            RUNTIME_NAME.to_owned(),
            Runtime { path: "jockerd".to_owned() },
        )]),
        default_runtime: RUNTIME_NAME.to_owned(),
        swarm: Swarm { local_node_state: "inactive".to_owned(), ..Swarm::default() },
        live_restore_enabled: !app.config.shutdown_containers,
        init_binary: "docker-init".to_owned(),
        containerd_commit: commit(),
        runc_commit: commit(),
        init_commit: commit(),
        security_options: security_options(cgroup_v2, api.since(NAMED_OPTIONS_SINCE)),
        default_address_pools: address_pools(app),
        firewall_backend: api
            .since(FIREWALL_SINCE)
            .then(|| FirewallBackend { driver: "nftables".to_owned() }),
        warnings: warnings(forwarding),
        ..Info::default()
    }
}

fn driver_status(app: &App) -> Vec<[String; 2]> {
    let backing = host::file_system(&app.config.data_root);
    let rows = [
        ["Backing Filesystem", backing],
        ["Supports d_type", "true"],
        ["Using metacopy", "false"],
        ["Native Overlay Diff", "true"],
        ["userxattr", "false"],
    ];
    rows.map(|row| row.map(str::to_owned)).to_vec()
}

fn plugins() -> Plugins {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Plugins {
        volume: names(&["local"]),
        network: names(&["bridge", "host", "macvlan", "null"]),
        authorization: None,
        log: names(&crate::logs::DRIVERS),
    }
}

fn registries(app: &App, api: Api) -> RegistryConfig {
    let foreign_layers = (!api.since(FOREIGN_LAYERS_UNTIL)).then_some(());
    let (blocks, hosts) = app.registries.insecure();
    let mirrors = app.registries.mirrors();
    let hub = Index {
        name: "docker.io".to_owned(),
        mirrors: mirrors.clone(),
        secure: true,
        official: true,
    };
    let insecure = hosts.into_iter().map(|name| (name.clone(), Index { name, ..Index::default() }));
    RegistryConfig {
        insecure_registry_cidrs: blocks,
        index_configs: insecure.chain([("docker.io".to_owned(), hub)]).collect(),
        mirrors: Some(mirrors).filter(|mirrors| !mirrors.is_empty()),
        foreign_layers_cidrs: foreign_layers,
        foreign_layers_hostnames: foreign_layers,
    }
}

/// `named`: whether options are pairs of keys and values.
fn security_options(cgroup_v2: bool, named: bool) -> Vec<String> {
    let options = match named {
        true => ["name=seccomp,profile=builtin", "name=cgroupns"],
        false => ["seccomp", "cgroupns"],
    };
    let count = if cgroup_v2 { 2 } else { 1 };
    options[..count].iter().map(|option| (*option).to_owned()).collect()
}

fn address_pools(app: &App) -> Vec<AddressPool> {
    let pools = app.config.address_pools.iter();
    pools
        .map(|pool| AddressPool {
            base: format!("{}/{}", pool.base, pool.base_prefix),
            size: pool.subnet_prefix,
        })
        .collect()
}

fn warnings(forwarding: bool) -> Option<Vec<String>> {
    (!forwarding).then(|| vec!["WARNING: IPv4 forwarding is disabled".to_owned()])
}
