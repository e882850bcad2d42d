//! `tag`: a template with the fields that Docker has for it, `{{.Name}}/{{.ID}}`.

use crate::containers::record::Definition;
use crate::spec::command_line;

/// Digits that stand for an id; of an image's with the five letters `sha256:` begins with cut too, as Docker does.
const SHORT_ID: usize = 12;
/// Docker's daemon calls itself so.
const DAEMON: &str = "docker";

pub(super) fn render(
    template: &str,
    definition: &Definition,
    name: &str,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((action, after)) = after.split_once("}}") else {
            return Err("template: log-tag:1: unclosed action".to_owned());
        };
        out.push_str(before);
        out.push_str(&field(action.trim(), definition, name).ok_or_else(|| {
            let column = template.len() - rest.len() + before.len() + 2;
            let bare = action.trim();
            let known = bare.strip_prefix('.').unwrap_or(bare);
            format!(
                "template: log-tag:1:{column}: executing \"log-tag\" at <{bare}>: can't evaluate field {known} in \
                 type *logger.Info"
            )
        })?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn field(action: &str, definition: &Definition, name: &str) -> Option<String> {
    let short = |id: &str| id.chars().take(SHORT_ID).collect();
    Some(match action.strip_prefix('.')? {
        "ID" => short(&definition.id),
        "FullID" => definition.id.clone(),
        "Name" => name.to_owned(),
        "ImageName" => definition.config.image.clone(),
        "ImageID" => short(&definition.image_id),
        "ImageFullID" => definition.image_id.clone(),
        "DaemonName" => DAEMON.to_owned(),
        "Command" => command_line(&definition.config).join(" "),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use api_spec::container::{ContainerConfig, HostConfig};

    use super::*;

    #[test]
    fn fields_are_filled_in() {
        let definition = Definition {
            id: "0123456789abcdef".to_owned(),
            created: String::new(),
            image_id: "sha256:3e7eca6e".to_owned(),
            config: ContainerConfig { image: "busybox".to_owned(), ..ContainerConfig::default() },
            host_config: HostConfig::default(),
            volumes: Vec::new(),
            images: Vec::new(),
            inherited: Vec::new(),
            links: Vec::new(),
        };
        let render = |template| render(template, &definition, "web");
        let text = render("{{.Name}}/{{ .ID }}-{{.ImageID}}:{{.ImageName}}").unwrap();
        assert_eq!(text, "web/0123456789ab-sha256:3e7ec:busybox");
        assert_eq!(render("plain").unwrap(), "plain");
        let why = render("{{.Bad}}").unwrap_err();
        assert!(why.starts_with("template: log-tag:1:2: executing \"log-tag\" at <.Bad>"), "{why}");
        assert_eq!(render("{{").unwrap_err(), "template: log-tag:1: unclosed action");
    }
}
