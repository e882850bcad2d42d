//! `jocker info`

use serde_json::Value;

use super::Outcome;
use crate::args::FormatArgs;
use crate::client::{Client, Path};
use crate::render::size;
use crate::render::template::Template;

/// Headings and members that are shown as they are, in this order.
const LINES: [(&str, &str); 20] = [
    ("Containers", "Containers"),
    (" Running", "ContainersRunning"),
    (" Paused", "ContainersPaused"),
    (" Stopped", "ContainersStopped"),
    ("Images", "Images"),
    ("Server Version", "ServerVersion"),
    ("Storage Driver", "Driver"),
    ("Logging Driver", "LoggingDriver"),
    ("Cgroup Driver", "CgroupDriver"),
    ("Cgroup Version", "CgroupVersion"),
    ("Default Runtime", "DefaultRuntime"),
    ("Init Binary", "InitBinary"),
    ("Kernel Version", "KernelVersion"),
    ("Operating System", "OperatingSystem"),
    ("OSType", "OSType"),
    ("Architecture", "Architecture"),
    ("CPUs", "NCPU"),
    ("Name", "Name"),
    ("ID", "ID"),
    ("Root Dir", "DockerRootDir"),
];

pub(super) async fn info(client: &Client, args: FormatArgs) -> Outcome {
    let server: Value = client.get(&Path::new("/info")).await?;
    match args.format.as_deref() {
        None | Some("") => super::print(&text(&server)),
        Some(format) => {
            let template = Template::parse(if format == "json" { "{{json .}}" } else { format })?;
            super::print(&format!("{}\n", template.render(&server)?))
        }
    }
}

fn text(server: &Value) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut shown = format!("Client:\n Version:    {version}\n\nServer:\n");
    for (heading, member) in LINES {
        let value = match &server[member] {
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text.clone(),
            Value::Null => continue,
            other => other.to_string(),
        };
        shown.push_str(&format!(" {heading}: {value}\n"));
        if member == "Driver" {
            for pair in server["DriverStatus"].as_array().into_iter().flatten() {
                let part = |at: usize| pair[at].as_str().unwrap_or_default();
                shown.push_str(&format!("  {}: {}\n", part(0), part(1)));
            }
        }
        if member == "NCPU"
            && let Some(bytes) = server["MemTotal"].as_i64()
        {
            shown.push_str(&format!(" Total Memory: {}\n", size::binary(bytes)));
        }
    }
    security(&mut shown, &server["SecurityOptions"]);
    let registries = &server["RegistryConfig"];
    list(&mut shown, "Insecure Registries", &registries["InsecureRegistryCIDRs"]);
    list(&mut shown, "Registry Mirrors", &registries["Mirrors"]);
    for warning in server["Warnings"].as_array().into_iter().flatten() {
        shown.push_str(&format!("{}\n", warning.as_str().unwrap_or_default()));
    }
    shown
}

/// `name=seccomp,profile=builtin` on two lines.
fn security(shown: &mut String, options: &Value) {
    let mut lines = Vec::new();
    for option in options.as_array().into_iter().flatten().filter_map(Value::as_str) {
        for field in option.split(',') {
            lines.push(Value::from(match field.split_once('=') {
                Some(("name", name)) => name.to_owned(),
                Some(("profile", profile)) => format!(" Profile: {profile}"),
                _ => format!(" {field}"),
            }));
        }
    }
    list(shown, "Security Options", &lines.into());
}

fn list(shown: &mut String, heading: &str, items: &Value) {
    let items: Vec<&str> =
        items.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if items.is_empty() {
        return;
    }
    shown.push_str(&format!(" {heading}:\n"));
    for item in items {
        shown.push_str(&format!("  {item}\n"));
    }
}
