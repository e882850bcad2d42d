//! A plan as plain text: its steps in the order in which they are carried out, a line each.

use std::fmt::Write as _;

use crate::cgroup::{DeviceClass, DeviceRule};

use super::{
    Attributes, DeviceKind, Hook, IdMapping, Mount, MountKind, Namespaces, Plan, Process, User,
};

const NAMESPACES: &str = "what the program does not share with the host; namespaces(7)";
const GROUPS: &str = "they count and bound what it uses; cgroups(7)";
const ROOT: &str = "becomes /, and the host's tree is let go; pivot_root(2)";
const MOUNTS: &str = "made one after the other inside of the root; fsopen(2), open_tree(2)";
const HOOKS: &str = "programs of others, told of the container's state";
const PROCESS: &str = "who the program is and what it may do; credentials(7), capabilities(7)";

/// Names of the resources that have limits, by their numbers; getrlimit(2).
const RESOURCES: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

impl Plan {
    /// The steps of the start, for people.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let mut section = |name: &str, about: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                let _ = writeln!(text, "{name}: {about}");
                lines.iter().for_each(|line| text.extend(["  ", line, "\n"]));
            }
        };
        section("namespaces", NAMESPACES, namespaces(&self.namespaces));
        section("control groups", GROUPS, self.control_groups());
        section("names", "of host and domain; sethostname(2)", self.names());
        section("root", ROOT, self.root_lines());
        section("mounts", MOUNTS, self.mounts.iter().map(mount).collect());
        section("devices", "nodes that are made; mknod(2)", self.device_lines());
        let sysctl = |one: &super::Sysctl| format!("{} = {}", one.path.display(), one.value);
        let sysctls = self.sysctls.iter().map(sysctl).collect();
        section("kernel parameters", "written below /proc/sys; proc_sys(5)", sysctls);
        let paths = |paths: &[std::path::PathBuf]| -> Vec<String> {
            paths.iter().map(|path| path.display().to_string()).collect()
        };
        section("masked", "something empty is mounted over it", paths(&self.masked_paths));
        section("read-only", "mounted over itself, read-only", paths(&self.readonly_paths));
        section("hooks before the root is entered", HOOKS, self.early_hooks());
        section("process", PROCESS, process(&self.process));
        let filter = |program: &crate::seccomp::Program| {
            format!("{} instructions, flags {:#x}", program.instructions.len(), program.flags)
        };
        let filter = self.seccomp.iter().map(filter).collect();
        section("seccomp filter", "judges every system call from here on; seccomp(2)", filter);
        let inside = hooks("startContainer", &self.hooks.start_container);
        section("hooks in the container", HOOKS, inside);
        let program = vec![format!("{:?}", self.process.args)];
        section("exec", "the program takes the place of what did all this; execve(2)", program);
        section("hooks afterwards", HOOKS, self.late_hooks());
        text
    }

    fn control_groups(&self) -> Vec<String> {
        let mut lines = vec![format!("group {}", self.cgroup.path)];
        let limit = |one: &crate::cgroup::Write| format!("{} = {}", one.file, one.value);
        lines.extend(self.cgroup.limits.iter().map(limit));
        lines.extend(self.cgroup.devices.iter().map(device_rule));
        lines
    }

    fn names(&self) -> Vec<String> {
        let line = |(what, name): (&str, &Option<String>)| {
            name.as_ref().map(|name| format!("{what} {name}"))
        };
        [("host", &self.hostname), ("domain", &self.domainname)]
            .into_iter()
            .filter_map(line)
            .collect()
    }

    fn root_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.root.path.as_ref().map(|path| path.display().to_string()));
        if self.root.readonly {
            lines.push("read-only".to_owned());
        }
        if let Some(propagation) = self.root.propagation {
            let deep = if propagation.recursive { ", recursively" } else { "" };
            lines.push(format!("{:?}{deep}", propagation.kind).to_lowercase());
        }
        lines
    }

    fn device_lines(&self) -> Vec<String> {
        let line = |device: &super::Device| {
            let kind = match device.kind {
                DeviceKind::Character => 'c',
                DeviceKind::Block => 'b',
                DeviceKind::Fifo => 'p',
            };
            let super::Device { path, major, minor, mode, uid, gid, .. } = device;
            format!("{} {kind} {major}:{minor} mode {mode:o} owner {uid}:{gid}", path.display())
        };
        self.devices.iter().map(line).collect()
    }

    fn early_hooks(&self) -> Vec<String> {
        let mut lines = hooks("prestart", &self.hooks.prestart);
        lines.extend(hooks("createRuntime", &self.hooks.create_runtime));
        lines.extend(hooks("createContainer", &self.hooks.create_container));
        lines
    }

    fn late_hooks(&self) -> Vec<String> {
        let mut lines = hooks("poststart", &self.hooks.poststart);
        lines.extend(hooks("poststop", &self.hooks.poststop));
        lines
    }
}

/// `deny everything`, `allow c 1:3 rwm`.
fn device_rule(rule: &DeviceRule) -> String {
    let verb = if rule.allow { "allow" } else { "deny" };
    let access = [(rule.read, 'r'), (rule.write, 'w'), (rule.mknod, 'm')];
    let access: String = access.iter().filter(|(on, _)| *on).map(|(_, letter)| letter).collect();
    let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
    let kind = match rule.kind {
        DeviceClass::All => return format!("{verb} all devices {access}"),
        DeviceClass::Block => 'b',
        DeviceClass::Character => 'c',
    };
    format!("{verb} {kind} {}:{} {access}", number(rule.major), number(rule.minor))
}

fn hooks(name: &str, hooks: &[Hook]) -> Vec<String> {
    hooks.iter().map(|hook| format!("{name} {}", hook.path.display())).collect()
}

fn namespaces(all: &Namespaces) -> Vec<String> {
    let list = |what: &str, kinds: &[super::Namespace]| {
        let names: Vec<String> =
            kinds.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect();
        (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
    };
    let mut lines = Vec::new();
    lines.extend(list("new", &all.create));
    lines.extend(list("of the container's first process", &all.of_target));
    lines.extend(all.join.iter().map(|join| {
        format!("{} of {}", format!("{:?}", join.kind).to_lowercase(), join.path.display())
    }));
    if let Some(user) = &all.user {
        let maps = |what: &str, maps: &[IdMapping]| -> Vec<String> {
            let line = |map: &IdMapping| {
                format!("{what} {} is {} of the host, {} ids", map.container, map.host, map.size)
            };
            maps.iter().map(line).collect()
        };
        lines.extend(maps("user", &user.uids));
        lines.extend(maps("group", &user.gids));
    }
    lines.extend(
        all.net_devices
            .iter()
            .map(|device| format!("interface {} of the host, as {}", device.name, device.inside)),
    );
    lines.extend(all.time_offsets.iter().map(|offset| {
        format!("clock {} {:+}.{:09} s", offset.clock, offset.seconds, offset.nanoseconds)
    }));
    lines
}

fn mount(mount: &Mount) -> String {
    let what = match &mount.what {
        MountKind::Filesystem { fstype, parameters, copy_up, beneath, .. } => {
            let option = |(key, value): &(String, Option<String>)| match value {
                Some(value) => format!("{key}={value}"),
                None => key.clone(),
            };
            let options: Vec<String> = parameters.iter().map(option).collect();
            let copied = if *copy_up { " with what is there" } else { "" };
            let space = if options.is_empty() { "" } else { " " };
            let part = beneath.as_ref().map(|path| format!("{} inside of ", path.display()));
            let part = part.unwrap_or_default();
            format!("{part}{fstype}{copied}{space}{}", options.join(","))
        }
        MountKind::Bind { source, recursive, beneath, ids } => {
            let deep = if *recursive { " and below" } else { "" };
            let part = beneath.as_ref().map(|path| format!("{} inside of ", path.display()));
            let owners = if ids.is_some() { " with other owners" } else { "" };
            format!("bind of {}{}{deep}{owners}", part.unwrap_or_default(), source.display())
        }
        MountKind::Cgroup { groups } => format!("own control groups, {} hierarchies", groups.len()),
    };
    format!("{} {what}{}", mount.target.display(), attributes(&mount.attributes))
}

fn attributes(attributes: &Attributes) -> String {
    let list = |what: &str, listed: &[super::Attribute]| {
        let names: Vec<String> =
            listed.iter().map(|attribute| format!("{attribute:?}").to_lowercase()).collect();
        if names.is_empty() { String::new() } else { format!("; {what}{}", names.join(",")) }
    };
    let Attributes { set, clear, set_recursive, clear_recursive } = attributes;
    [
        list("", set),
        list("not ", clear),
        list("deep ", set_recursive),
        list("not deep ", clear_recursive),
    ]
    .concat()
}

fn process(process: &Process) -> Vec<String> {
    let mut lines = vec![format!("in {}", process.cwd.display())];
    lines.push(match &process.user {
        User::Id { uid, gid, groups } => {
            format!("user {uid}, group {gid}, further groups {groups:?}")
        }
        User::Name { user, .. } => format!("user {user:?}, looked up in the container"),
    });
    lines.push(format!("{} variables", process.env.len()));
    let names: Vec<String> = process.capabilities.bounding.names().collect();
    lines.push(format!("capabilities {}", names.join(" ")));
    if process.no_new_privileges {
        lines.push("no new privileges".to_owned());
    }
    let limit = |one: &super::Rlimit| {
        let name = RESOURCES.get(one.resource as usize).copied().unwrap_or("unknown");
        format!("limit of {name} is {}, at most {}", one.soft, one.hard)
    };
    lines.extend(process.rlimits.iter().map(limit));
    lines.extend(process.oom_score_adj.map(|score| format!("oom score {score:+}")));
    lines.extend(
        process
            .memory_policy
            .as_ref()
            .map(|policy| format!("memory policy {:#x} of nodes {:?}", policy.mode, policy.nodes)),
    );
    lines.extend(process.selinux_label.iter().map(|label| format!("SELinux label {label}")));
    let profile = process.apparmor_profile.iter();
    lines.extend(profile.map(|profile| format!("AppArmor profile {profile}")));
    if process.terminal {
        lines.push("a terminal of its own".to_owned());
    }
    lines
}
