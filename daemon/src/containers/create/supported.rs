//! What Docker has and this daemon does not have yet. Whatever asks for one of these is refused with the field's
//! name: nothing that a client asks for is dropped unseen.

use api_spec::container::CreateRequest;

use crate::containers::error::Error;

/// A field, whether a request asks for it, and what it would be.
type Row = (&'static str, fn(&CreateRequest) -> bool, &'static str);

const LATER: [Row; 7] = [
    (
        "HostConfig.KernelMemory",
        |request| {
            request.host_config.kernel_memory != 0 || request.host_config.kernel_memory_tcp != 0
        },
        "kernels no longer have this limit",
    ),
    (
        "HostConfig.UsernsMode",
        |request| !matches!(request.host_config.userns_mode.as_str(), "" | "host"),
        "there are no user namespaces yet",
    ),
    ("HostConfig.Cgroup", |request| !request.host_config.cgroup.is_empty(), "use CgroupParent"),
    ("HostConfig.CpuCount", |request| request.host_config.cpu_count != 0, "this is for Windows"),
    (
        "HostConfig.CpuPercent",
        |request| request.host_config.cpu_percent != 0,
        "this is for Windows",
    ),
    (
        "HostConfig.IOMaximumIOps",
        |request| request.host_config.io_maximum_iops != 0,
        "this is for Windows",
    ),
    (
        "HostConfig.IOMaximumBandwidth",
        |request| request.host_config.io_maximum_bandwidth != 0,
        "this is for Windows",
    ),
];

/// Refuses the first thing that is asked for and not there.
pub(in crate::containers) fn check(request: &CreateRequest) -> Result<(), Error> {
    match LATER.iter().find(|(_, asks, _)| asks(request)) {
        Some((field, _, what)) => Err(Error::Unsupported { field, what: (*what).to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Option<String> {
        let request = CreateRequest::from_slice(body.as_bytes()).unwrap();
        check(&request).err().map(|error| error.to_string())
    }

    #[test]
    fn what_docker_run_sends_is_supported() {
        let body = r#"{"Volumes":{},"HostConfig":{"Binds":["/a:/b","vol:/c"],"PortBindings":{"80/tcp":[{"HostPort":"80"}]},"NetworkMode":"default",
            "BlkioDeviceReadBps":[],"Links":["a:b"],"MemorySwappiness":-1,"UsernsMode":"host"},
            "NetworkingConfig":{"EndpointsConfig":{"default":{"MacAddress":"","DriverOpts":null}}}}"#;
        assert_eq!(refused(body), None);
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for (body, field) in [
            (r#"{"HostConfig":{"CpuCount":1}}"#, "CpuCount"),
            (r#"{"HostConfig":{"UsernsMode":"private"}}"#, "UsernsMode"),
        ] {
            let text = refused(body).unwrap_or_default();
            assert!(text.contains(field), "{body}: {text}");
        }
    }
}
