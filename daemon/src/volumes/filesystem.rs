//! The file system of a volume that has one (`type`, `device` and `o` of the local driver), as mount(2) takes it.

use std::ffi::CString;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};

/// What is mounted: as the options say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filesystem {
    /// `ext4`, `nfs`, `tmpfs`…
    pub(crate) kind: String,
    pub(crate) device: String,
    /// Between commas; mount(8).
    pub(crate) options: String,
}

/// What the options of a mount come to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parsed {
    flags: MountFlags,
    propagation: Option<MountPropagationFlags>,
    /// What is for the file system itself.
    data: String,
}

impl Filesystem {
    /// Mounts it; an error is in dockerd's words.
    pub(super) fn mount(&self, directory: &Path) -> Result<(), String> {
        let Self { device, kind, options } = self.resolved()?;
        if device.is_empty() {
            return Err("missing device in volume options".to_owned());
        }
        let Parsed { flags, propagation, data } = parse(&options);
        let failed = |error: rustix::io::Errno| {
            let mut what = format!("failed to mount local volume: mount {device}:");
            what += &directory.to_string_lossy();
            if !flags.is_empty() {
                what += &format!(", flags: {:#x}", flags.bits());
            }
            if !data.is_empty() {
                what += &format!(", data: {data}");
            }
            format!("{what}: {}", words(error))
        };
        let text = CString::new(data.as_str()).map_err(|_| failed(rustix::io::Errno::INVAL))?;
        let text = (!data.is_empty()).then_some(text.as_c_str());
        mount(device.as_str(), directory, kind.as_str(), flags, text).map_err(failed)?;
        propagation.map_or(Ok(()), |kind| {
            mount_change(directory, kind).map_err(|error| {
                unmount_all(directory);
                failed(error)
            })
        })
    }

    /// With addresses in place of the names of servers: the kernel looks up none.
    fn resolved(&self) -> Result<Self, String> {
        let mut resolved = self.clone();
        if !matches!(self.kind.as_str(), "nfs" | "cifs") {
            return Ok(resolved);
        }
        let server = self.options.split(',').find_map(|option| option.strip_prefix("addr="));
        if let Some(server) = server.filter(|server| !server.is_empty()) {
            let address = address(server)?;
            let named = format!("addr={server}");
            resolved.options = self.options.replacen(&named, &format!("addr={address}"), 1);
        } else if self.kind == "cifs"
            && let Some((server, share)) =
                self.device.strip_prefix("//").and_then(|rest| rest.split_once('/'))
        {
            resolved.device = format!("//{}/{share}", address(server)?);
        }
        Ok(resolved)
    }
}

/// Takes away whatever is mounted here. What is open stays usable for who has it open.
pub(super) fn unmount_all(directory: &Path) {
    let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
    // An error says that nothing is mounted, or nothing any more.
    while unmount(directory, flags).is_ok() {}
}

fn address(server: &str) -> Result<IpAddr, String> {
    if let Ok(address) = server.parse() {
        return Ok(address);
    }
    let found = (server, 0).to_socket_addrs().map_err(|error| error.to_string());
    let found = found.and_then(|mut all| all.next().ok_or_else(|| "no such host".to_owned()));
    let failed = "error resolving passed in network volume address: lookup";
    found.map(|address| address.ip()).map_err(|error| format!("{failed} {server}: {error}"))
}

fn parse(options: &str) -> Parsed {
    let (mut flags, mut propagation, mut data) = (MountFlags::empty(), None, Vec::new());
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (flag, on) = match option {
            "defaults" | "loud" | "mand" | "nomand" => (MountFlags::empty(), true),
            "ro" => (MountFlags::RDONLY, true),
            "rw" => (MountFlags::RDONLY, false),
            "nosuid" => (MountFlags::NOSUID, true),
            "suid" => (MountFlags::NOSUID, false),
            "nodev" => (MountFlags::NODEV, true),
            "dev" => (MountFlags::NODEV, false),
            "noexec" => (MountFlags::NOEXEC, true),
            "exec" => (MountFlags::NOEXEC, false),
            "sync" => (MountFlags::SYNCHRONOUS, true),
            "async" => (MountFlags::SYNCHRONOUS, false),
            "dirsync" => (MountFlags::DIRSYNC, true),
            "noatime" => (MountFlags::NOATIME, true),
            "atime" => (MountFlags::NOATIME, false),
            "nodiratime" => (MountFlags::NODIRATIME, true),
            "diratime" => (MountFlags::NODIRATIME, false),
            "relatime" => (MountFlags::RELATIME, true),
            "norelatime" => (MountFlags::RELATIME, false),
            "strictatime" => (MountFlags::STRICTATIME, true),
            "nostrictatime" => (MountFlags::STRICTATIME, false),
            other => {
                match self::propagation(other) {
                    Some(kind) => propagation = Some(kind),
                    None => data.push(other),
                }
                continue;
            }
        };
        flags.set(flag, on);
    }
    Parsed { flags, propagation, data: data.join(",") }
}

fn propagation(option: &str) -> Option<MountPropagationFlags> {
    let (kind, recursive) = match option.strip_prefix('r') {
        Some(kind) => (kind, MountPropagationFlags::REC),
        None => (option, MountPropagationFlags::empty()),
    };
    let kind = match kind {
        "private" => MountPropagationFlags::PRIVATE,
        "slave" => MountPropagationFlags::DOWNSTREAM,
        "shared" => MountPropagationFlags::SHARED,
        "unbindable" => MountPropagationFlags::UNBINDABLE,
        _ => return None,
    };
    Some(kind | recursive)
}

/// What the C library says of an error, with a small letter at the beginning.
fn words(error: rustix::io::Errno) -> String {
    let text = io::Error::from(error).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted() {
        let Parsed { flags, propagation, data } = parse("ro,noexec,exec,size=1m,rslave,uid=7,dev");
        assert_eq!(flags, MountFlags::RDONLY);
        let kind = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        assert_eq!((propagation, data.as_str()), (Some(kind), "size=1m,uid=7"));
        let nothing = Parsed { flags: MountFlags::empty(), propagation: None, data: String::new() };
        assert_eq!(parse("defaults,,rw"), nothing);
    }

    #[test]
    fn servers_are_looked_up() {
        let resolved = |kind: &str, device: &str, options: &str| {
            let text = str::to_owned;
            Filesystem { kind: text(kind), device: text(device), options: text(options) }.resolved()
        };
        let nfs = resolved("nfs", ":/srv", "addr=127.0.0.1,soft").unwrap();
        assert_eq!(nfs.options, "addr=127.0.0.1,soft");
        let cifs = resolved("cifs", "//127.0.0.1/a/b", "user=x").unwrap();
        assert_eq!(cifs.device, "//127.0.0.1/a/b");
        let local = resolved("nfs", ":/srv", "rw,addr=localhost").unwrap();
        assert!(matches!(local.options.as_str(), "rw,addr=127.0.0.1" | "rw,addr=::1"), "{local:?}");
        let unknown = resolved("nfs", ":/srv", "addr=name.invalid").unwrap_err();
        let begin = "error resolving passed in network volume address: lookup name.invalid";
        assert!(unknown.starts_with(begin), "{unknown}");
        assert_eq!(
            resolved("ext4", "/dev/x", "addr=name.invalid").unwrap().options,
            "addr=name.invalid"
        );
    }

    #[test]
    fn errors_begin_small() {
        assert_eq!(words(rustix::io::Errno::NODEV), "no such device");
        assert_eq!(words(rustix::io::Errno::BUSY), "device or resource busy");
    }
}
