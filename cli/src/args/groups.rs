//! The flags of commands about state and space: `top`, `stats`, `update`, and the groups `container`,
//! `image`, `volume` and `system`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ps OPTIONS")]
    pub(crate) options: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[arg(value_name = "CONTAINER")]
    pub(crate) container: String,
    /// Format output: 'text' or 'json'
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: String,
}

#[derive(Debug, Args)]
pub(crate) struct TimelineArgs {
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// ID is that of an exec
    #[arg(long)]
    pub(crate) exec: bool,
    /// Format output: 'json'
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Format output: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    pub(crate) no_trunc: bool,
    #[arg(value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable
    #[arg(long)]
    pub(crate) blkio_weight: Option<u16>,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long)]
    pub(crate) cpu_period: Option<i64>,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long)]
    pub(crate) cpu_shares: Option<i64>,
    /// Number of CPUs
    #[arg(long)]
    pub(crate) cpus: Option<String>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long)]
    pub(crate) cpuset_cpus: Option<String>,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long)]
    pub(crate) cpuset_mems: Option<String>,
    /// Memory limit
    #[arg(short, long)]
    pub(crate) memory: Option<String>,
    /// Memory soft limit
    #[arg(long)]
    pub(crate) memory_reservation: Option<String>,
    /// Swap limit equal to memory plus swap: -1 to enable unlimited swap
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) pids_limit: Option<i64>,
    /// Restart policy to apply when a container exits
    #[arg(long)]
    pub(crate) restart: Option<String>,
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

/// What every prune has.
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Provide filter values (e.g. "label=<key>=<value>")
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// A prune that may take more.
#[derive(Debug, Args)]
pub(crate) struct PruneAllArgs {
    /// Remove all that is unused, not just what has no name
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) prune: PruneArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContainerCommand {
    /// Remove all stopped containers
    Prune(PruneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImageInspectArgs {
    /// Format output: 'json' or 'TEMPLATE'
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// Print a PLACE's manifest or index, byte for byte
    #[arg(long, conflicts_with = "config")]
    pub(crate) raw: bool,
    /// Print a PLACE's config, byte for byte
    #[arg(long)]
    pub(crate) config: bool,
    #[command(flatten)]
    pub(crate) how: OfflineHow,
    #[arg(required = true, value_name = "NAME|ID|PLACE")]
    pub(crate) names: Vec<String>,
}

/// Passed on as they are.
#[derive(Debug, Args)]
pub(crate) struct OfflineArgs {
    #[command(flatten)]
    pub(crate) how: OfflineHow,
    #[arg(required = true, value_name = "PLACE", num_args = 1..=2)]
    pub(crate) places: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ImageCopyArgs {
    /// Copy the images of every platform, and what else an index names
    #[arg(long, conflicts_with = "platform")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) args: OfflineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OfflineHow {
    /// Which image of several, for example linux/arm64
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// Registry to speak to without verified TLS; several are possible
    #[arg(long = "insecure-registry", value_name = "HOST")]
    pub(crate) insecure: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Display detailed information on images; of a PLACE as docker://NAME, oci:DIR, oci-archive:FILE or
    /// docker-archive:FILE without a daemon
    Inspect(ImageInspectArgs),
    /// Copy an image from one PLACE to another, without a daemon
    Copy(ImageCopyArgs),
    /// Unpack the layers of a PLACE's image into a new directory, without a daemon
    Unpack(OfflineArgs),
    /// Compare every byte of a PLACE's image with its digests, without a daemon
    Verify(OfflineArgs),
    /// Remove unused images
    Prune(PruneAllArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum VolumeCommand {
    /// Create a volume
    Create(VolumeCreateArgs),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(VolumeLsArgs),
    /// Display detailed information on one or more volumes
    Inspect(VolumeInspectArgs),
    /// Remove one or more volumes
    #[command(visible_alias = "remove")]
    Rm(VolumeRmArgs),
    /// Remove unused local volumes
    Prune(PruneAllArgs),
}

#[derive(Debug, Args)]
pub(crate) struct VolumeCreateArgs {
    /// Specify volume driver name
    #[arg(short, long, default_value = "local")]
    pub(crate) driver: String,
    /// Set metadata for a volume
    #[arg(long)]
    pub(crate) label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long)]
    pub(crate) opt: Vec<String>,
    #[arg(value_name = "VOLUME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VolumeLsArgs {
    /// Provide filter values (e.g. "dangling=true")
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    /// Format output: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Only display volume names
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VolumeInspectArgs {
    /// Format output: 'json' or 'TEMPLATE'
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    #[arg(required = true, value_name = "VOLUME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VolumeRmArgs {
    /// Force the removal of one or more volumes
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(required = true, value_name = "VOLUME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SystemCommand {
    /// Show disk usage
    Df(DfArgs),
    /// Remove unused data
    Prune(SystemPruneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DfArgs {
    /// Show detailed information on space usage
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SystemPruneArgs {
    #[command(flatten)]
    pub(crate) prune: PruneAllArgs,
    /// Prune anonymous volumes
    #[arg(long)]
    pub(crate) volumes: bool,
}
