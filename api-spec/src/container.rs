//! Containers on the wire: what `POST /containers/create` takes and what the other container endpoints answer.
//! Input is read by [`crate::gojson`]; output keeps Docker's difference between `null`, empty and missing.

mod archive;
mod config;
mod create;
mod health;
mod host_config;
mod inspect;
mod list;
mod mount;
mod resources;
mod stats;
mod timeline;
mod top;
mod update;

pub use archive::{Change, CommitResponse, PathStat};
pub use config::{ContainerConfig, Empty, HealthConfig, StringList};
pub use create::{CreateRequest, CreateResponse, WaitError, WaitResponse};
pub use health::{Health, HealthResult, HealthStatus, SummaryHealth};
pub use host_config::{HostConfig, LogConfig, RestartPolicy};
pub use inspect::{ContainerInspect, ContainerState, DriverData, ZERO_TIME};
pub use list::{ContainerSummary, PortSummary, SummaryHostConfig, SummaryNetworkSettings};
pub use mount::{BindOptions, Mount, MountPoint, TmpfsOptions, VolumeDriver, VolumeOptions};
pub use resources::{DeviceMapping, DeviceRequest, ThrottleDevice, Ulimit, WeightDevice};
pub use stats::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats,
    StatsResponse, ThrottlingData,
};
pub use timeline::{Timeline, TimelineStep};
pub use top::TopResponse;
pub use update::{ContainersPruned, UpdateResponse};
