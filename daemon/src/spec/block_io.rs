//! Weights and limits of block I/O.

use api_spec::container::{HostConfig, ThrottleDevice};
use oci_spec::runtime::{LinuxBlockIo, LinuxThrottleDeviceBuilder, LinuxWeightDeviceBuilder};

use super::devices::Disk;

/// `linux.resources.blockIO`. Devices that are not among `disks` are left out: an update changes the weight alone.
pub(super) fn block_io(host_config: &HostConfig, disks: &[Disk]) -> Option<LinuxBlockIo> {
    let find = |path: &str| disks.iter().find(|disk| disk.path == path);
    let throttles = |list: &Option<Vec<ThrottleDevice>>| {
        let found = list.iter().flatten().filter_map(|throttle| {
            let disk = find(&throttle.path)?;
            let device = LinuxThrottleDeviceBuilder::default().major(disk.major).minor(disk.minor);
            device.rate(throttle.rate).build().ok()
        });
        Some(found.collect::<Vec<_>>()).filter(|found| !found.is_empty())
    };
    let weights = host_config.blkio_weight_device.iter().flatten().filter_map(|asked| {
        let disk = find(&asked.path)?;
        let device = LinuxWeightDeviceBuilder::default().major(disk.major).minor(disk.minor);
        device.weight(asked.weight).build().ok()
    });
    let weights: Vec<_> = weights.collect();
    let mut io = LinuxBlockIo::default();
    io.set_weight(Some(host_config.blkio_weight).filter(|weight| *weight != 0))
        .set_weight_device(Some(weights).filter(|weights| !weights.is_empty()))
        .set_throttle_read_bps_device(throttles(&host_config.blkio_device_read_bps))
        .set_throttle_write_bps_device(throttles(&host_config.blkio_device_write_bps))
        .set_throttle_read_iops_device(throttles(&host_config.blkio_device_read_iops))
        .set_throttle_write_iops_device(throttles(&host_config.blkio_device_write_iops));
    (io != LinuxBlockIo::default()).then_some(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_numbers() {
        let throttle = ThrottleDevice { path: "/dev/a".into(), rate: 7 };
        let host_config = HostConfig {
            blkio_weight: 300,
            blkio_device_write_bps: Some(vec![throttle]),
            ..HostConfig::default()
        };
        let disk = Disk { path: "/dev/a".into(), major: 254, minor: 3 };
        let io = block_io(&host_config, &[disk]).unwrap();
        let device = &io.throttle_write_bps_device().as_ref().unwrap()[0];
        assert_eq!((device.major(), device.minor(), device.rate()), (254, 3, 7));
        assert_eq!(io.weight(), Some(300));
        assert!(io.throttle_read_bps_device().is_none());
        assert!(block_io(&HostConfig::default(), &[]).is_none());
    }
}
