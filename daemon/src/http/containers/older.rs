//! What a create request means in the API version that it is written in: fields that came later do
//! not count, and old versions have other defaults.

use api_spec::container::{CreateRequest, HostConfig};

use crate::containers::OLD_MAC;
use crate::http::error::Error;
use crate::http::extract::Api;

/// Before 1.25 clients removed containers themselves.
const AUTO_REMOVE_SINCE: u32 = 25;
/// Since 1.40 `/dev/shm` is a container's own unless it says otherwise.
const PRIVATE_IPC_SINCE: u32 = 40;
const CONSOLE_SIZE_SINCE: u32 = 42;
/// Since 1.42 the limit of kernel memory is gone.
const KERNEL_MEMORY_UNTIL: u32 = 42;
const ANNOTATIONS_SINCE: u32 = 43;
const START_INTERVAL_SINCE: u32 = 44;
/// Before 1.44 a container was created in one network, and its hardware address was its own.
const NETWORKS_SINCE: u32 = 44;

/// Refuses more networks than the version has.
pub(crate) fn check_networks(request: &CreateRequest, api: Api) -> Result<(), Error> {
    let endpoints = request.networking_config.endpoints_config.as_ref();
    let names: Vec<_> = endpoints.iter().flat_map(|endpoints| endpoints.keys().cloned()).collect();
    if api.since(NETWORKS_SINCE) || names.len() < 2 {
        return Ok(());
    }
    let names = names.join(", ");
    let text = format!("Container cannot be created with multiple network endpoints: {names}");
    Err(Error::bad_request(text))
}

/// Makes of `request` what its API version has.
pub(crate) fn adjust(request: &mut CreateRequest, api: Api) {
    let CreateRequest { config, host_config, networking_config } = request;
    if !api.since(AUTO_REMOVE_SINCE) {
        host_config.auto_remove = false;
    }
    if !api.since(PRIVATE_IPC_SINCE) && host_config.ipc_mode.is_empty() {
        "shareable".clone_into(&mut host_config.ipc_mode);
    }
    if !api.since(CONSOLE_SIZE_SINCE) {
        host_config.console_size = [0, 0];
    }
    if api.since(KERNEL_MEMORY_UNTIL) {
        host_config.kernel_memory = 0;
    }
    if !api.since(ANNOTATIONS_SINCE) {
        host_config.annotations = None;
    }
    if !api.since(NETWORKS_SINCE) {
        let endpoints = networking_config.endpoints_config.iter_mut().flatten();
        endpoints.for_each(|(_, endpoint)| endpoint.mac_address.clear());
    }
    if !api.since(START_INTERVAL_SINCE)
        && let Some(check) = &mut config.healthcheck
    {
        check.start_interval = 0;
    }
}

/// Makes of an update what its API version has.
pub(crate) fn adjust_update(update: &mut HostConfig, api: Api) {
    if api.since(KERNEL_MEMORY_UNTIL) {
        update.kernel_memory = 0;
    }
}

/// Takes out the warnings that its API version does not have.
pub(crate) fn warnings(warnings: &mut Vec<String>, api: Api) {
    warnings.retain(|warning| api.since(NETWORKS_SINCE) || warning != OLD_MAC);
}

#[cfg(test)]
mod tests {
    use api_spec::version::ApiVersion;

    use super::*;

    #[test]
    fn old_versions_have_other_defaults() {
        let of = |minor| {
            let body =
                br#"{"HostConfig":{"AutoRemove":true,"ConsoleSize":[1,2],"KernelMemory":5}}"#;
            let mut request = CreateRequest::from_slice(body).unwrap();
            adjust(&mut request, Api(ApiVersion::new(1, minor)));
            request.host_config
        };
        let (old, new) = (of(24), of(45));
        assert_eq!((old.ipc_mode.as_str(), new.ipc_mode.as_str()), ("shareable", ""));
        assert!(!old.auto_remove && new.auto_remove);
        assert_eq!((old.console_size, new.console_size), ([0, 0], [1, 2]));
        assert_eq!((old.kernel_memory, new.kernel_memory), (5, 0));
    }
}
