//! `jocker version`

use serde_json::{Value, json};

use super::{Failure, Outcome};
use crate::args::FormatArgs;
use crate::client::{Client, Path};
use crate::render::template::Template;

pub(super) async fn version(client: &Client, args: FormatArgs) -> Outcome {
    let server = client.get::<Value>(&Path::new("/version")).await;
    let own = json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "ApiVersion": client.api_version(),
        "Os": std::env::consts::OS,
        "Arch": architecture(),
    });
    match args.format.as_deref() {
        None | Some("") => {
            super::print(&client_text(&own))?;
            if let Ok(server) = &server {
                super::print(&server_text(server))?;
            }
        }
        Some(format) => {
            let template = Template::parse(if format == "json" { "{{json .}}" } else { format })?;
            let known = server.as_ref().ok().cloned().unwrap_or(Value::Null);
            let text = template.render(&json!({"Client": own, "Server": known}))?;
            super::print(&format!("{text}\n"))?;
        }
    }
    server.map(drop).map_err(Failure::from)
}

/// The architecture by its name in images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn client_text(own: &Value) -> String {
    format!(
        "Client:\n Version:           {}\n API version:       {}\n OS/Arch:           {}/{}\n",
        text(&own["Version"]),
        text(&own["ApiVersion"]),
        text(&own["Os"]),
        text(&own["Arch"]),
    )
}

fn server_text(server: &Value) -> String {
    let platform = match text(&server["Platform"]["Name"]) {
        "" => String::new(),
        name => format!(" {name}"),
    };
    let mut shown = format!("\nServer:{platform}\n");
    for component in server["Components"].as_array().into_iter().flatten() {
        shown.push_str(&format!(" {}:\n", text(&component["Name"])));
        let mut line = |name: &str, value: &str| {
            shown.push_str(&format!("  {:<18}{value}\n", format!("{name}:")));
        };
        line("Version", text(&component["Version"]));
        let details = &component["Details"];
        if let Some(api) = details["ApiVersion"].as_str() {
            line(
                "API version",
                &format!("{api} (minimum version {})", text(&details["MinAPIVersion"])),
            );
            line("OS/Arch", &format!("{}/{}", text(&details["Os"]), text(&details["Arch"])));
        }
        for (name, key) in
            [("Git commit", "GitCommit"), ("Built", "BuildTime"), ("Experimental", "Experimental")]
        {
            if let Some(value) = details[key].as_str().filter(|value| !value.is_empty()) {
                line(name, value);
            }
        }
    }
    shown
}
