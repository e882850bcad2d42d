//! What happened, as values: services publish, clients of `GET /events` read.
//!
//! A ring keeps the last events for `since`; subscribers get every event after they subscribed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use api_spec::events::Message;
use tokio::sync::broadcast;

pub(crate) mod selection;
pub(crate) mod time;

/// Events that are kept for `since`.
pub(crate) const RING_EVENTS: usize = 1024;
/// Events that a slow subscriber may lag behind before it is let go.
pub(crate) const SUBSCRIBER_QUEUE: usize = 1024;

/// The event service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Events(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ring: Mutex<VecDeque<Arc<Message>>>,
    subscribers: broadcast::Sender<Arc<Message>>,
    published: AtomicU64,
}

/// An event as a service tells it; the time is added when it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// What it happened to.
    pub(crate) kind: Kind,
    /// Docker's word for what happened: `create`, `start`, `exec_create: sh`, ….
    pub(crate) action: String,
    /// Id of the container, or id or name of the image.
    pub(crate) id: String,
    /// Docker's attributes: `image`, `name`, `exitCode`, labels, ….
    pub(crate) attributes: BTreeMap<String, String>,
}

/// The types of things that have events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Container,
    Daemon,
    Image,
    Network,
    Volume,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Daemon => "daemon",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
        }
    }
}

impl Event {
    pub(crate) fn new(kind: Kind, action: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind, action: action.into(), id: id.into(), attributes: BTreeMap::new() }
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Adds many attributes, for example labels; those that are there already stay.
    pub(crate) fn with_all<N: Into<String>, V: Into<String>>(
        mut self,
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        for (name, value) in attributes {
            self.attributes.entry(name.into()).or_insert_with(|| value.into());
        }
        self
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        let (subscribers, _) = broadcast::channel(SUBSCRIBER_QUEUE);
        Self(Arc::new(Inner { ring: Mutex::default(), subscribers, published: AtomicU64::new(0) }))
    }

    /// Tells everybody. Never waits.
    pub(crate) fn publish(&self, event: Event) {
        let message = message(event, jiff::Timestamp::now());
        self.0.published.fetch_add(1, Ordering::Relaxed);
        let mut ring = self.0.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == RING_EVENTS {
            ring.pop_front();
        }
        let message = Arc::new(message);
        ring.push_back(Arc::clone(&message));
        // Under the ring's lock, so that a subscriber sees each event once: in the past or live.
        let _ = self.0.subscribers.send(message);
    }

    /// How many events there were since the daemon's start.
    pub(crate) fn published(&self) -> u64 {
        self.0.published.load(Ordering::Relaxed)
    }

    /// How many clients listen.
    pub(crate) fn listeners(&self) -> usize {
        self.0.subscribers.receiver_count()
    }

    /// The kept events, oldest first, and all that come after them.
    pub(crate) fn subscribe(&self) -> (Vec<Arc<Message>>, broadcast::Receiver<Arc<Message>>) {
        let ring = self.0.ring.lock().unwrap_or_else(PoisonError::into_inner);
        (ring.iter().cloned().collect(), self.0.subscribers.subscribe())
    }
}

fn message(event: Event, now: jiff::Timestamp) -> Message {
    let from = event.attributes.get("image").cloned();
    let legacy = matches!(event.kind, Kind::Container | Kind::Image);
    Message {
        status: legacy.then(|| event.action.clone()),
        id: legacy.then(|| event.id.clone()),
        from: from.filter(|_| event.kind == Kind::Container),
        kind: event.kind.as_str().to_owned(),
        action: event.action,
        actor: api_spec::events::Actor { id: event.id, attributes: event.attributes },
        scope: "local".to_owned(),
        time: now.as_second(),
        time_nano: i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX),
    }
}

#[cfg(test)]
mod tests;
