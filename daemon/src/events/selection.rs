//! Which events a client wants: filters and times, as data.

use api_spec::events::Message;
use api_spec::filters::Filters;

/// A client's choice of events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection(Filters);

impl Selection {
    /// Keys that no event has choose nothing away, as in dockerd.
    pub(crate) fn new(filters: Filters) -> Self {
        Self(filters)
    }

    /// True when the client wants this event.
    pub(crate) fn contains(&self, event: &Message) -> bool {
        let attributes = &event.actor.attributes;
        let label = |name: &str| attributes.get(name).map(String::as_str);
        self.0.matches_by("event", |wanted| is_action(wanted, &event.action))
            && self.0.matches("type", &event.kind)
            && self.0.matches("scope", &event.scope)
            && self.0.matches_labels("label", label)
            && self.of_kind("container", event)
            && self.of_kind("network", event)
            && self.of_kind("volume", event)
            && self.of_kind("daemon", event)
            && self.of_image(event)
    }

    /// `container=x` keeps only container events, of the container with that id or name.
    fn of_kind(&self, kind: &str, event: &Message) -> bool {
        if !self.0.contains(kind) {
            return true;
        }
        let name = event.actor.attributes.get("name").map_or("", String::as_str);
        event.kind == kind
            && self.0.matches_by(kind, |wanted| {
                event.actor.id.starts_with(wanted) || name.starts_with(wanted)
            })
    }

    /// `image=x` keeps events of that image and of containers made from it, with or without tag.
    fn of_image(&self, event: &Message) -> bool {
        let attributes = &event.actor.attributes;
        let key = if event.kind == "image" { "name" } else { "image" };
        let name = attributes.get(key).map_or("", String::as_str);
        let bare = name.rsplit_once(':').map_or(name, |(bare, _)| bare);
        self.0.matches_by("image", |wanted| [event.actor.id.as_str(), name, bare].contains(&wanted))
    }
}

/// `exec_create` also stands for `exec_create: sh -c …`.
fn is_action(wanted: &str, action: &str) -> bool {
    let bare = action.split_once(':').map_or(action, |(bare, _)| bare);
    wanted == action || wanted == bare
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Event, Kind};

    fn selects(filters: &str, event: Event) -> bool {
        let message = crate::events::message(event, jiff::Timestamp::UNIX_EPOCH);
        Selection::new(Filters::parse(filters).unwrap()).contains(&message)
    }

    fn start() -> Event {
        Event::new(Kind::Container, "start", "abcdef")
            .with("image", "busybox:latest")
            .with("name", "web")
            .with("tier", "front")
    }

    #[test]
    fn filters_choose() {
        assert!(selects("", start()));
        assert!(selects(r#"{"type":["container"]}"#, start()));
        assert!(!selects(r#"{"type":["image"]}"#, start()));
        assert!(selects(r#"{"container":["web"],"event":["start","die"]}"#, start()));
        assert!(!selects(r#"{"container":["other"]}"#, start()));
        assert!(!selects(r#"{"network":["web"]}"#, start()));
        assert!(selects(r#"{"image":["busybox"]}"#, start()));
        assert!(selects(r#"{"label":["tier=front"]}"#, start()));
        assert!(!selects(r#"{"label":["tier=back"]}"#, start()));
        let exec = Event::new(Kind::Container, "exec_create: sh -c true", "a");
        assert!(selects(r#"{"event":["exec_create"]}"#, exec));
    }
}
