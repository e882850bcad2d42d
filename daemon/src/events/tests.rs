//! Subscribers at random moments: each gets every event once and in order, or is let go; the past is bounded.

use proptest::prelude::*;
use tokio::sync::broadcast::error::TryRecvError;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Happens {
    Publish(usize),
    Subscribe,
    /// One of the subscribers reads all that there is.
    Read(prop::sample::Index),
}

#[derive(Debug)]
struct Subscriber {
    live: broadcast::Receiver<Arc<Message>>,
    next: usize,
    lagged: bool,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        (1..700_usize).prop_map(Happens::Publish),
        Just(Happens::Subscribe),
        any::<prop::sample::Index>().prop_map(Happens::Read),
    ]
}

fn number(message: &Message) -> usize {
    message.actor.id.parse().expect("a number")
}

impl Subscriber {
    fn read(&mut self, published: usize) {
        let behind = published - self.next;
        loop {
            match self.live.try_recv() {
                Ok(message) => {
                    assert_eq!(number(&message), self.next);
                    self.next += 1;
                }
                Err(TryRecvError::Empty) => return assert_eq!(self.next, published),
                Err(TryRecvError::Lagged(_)) => {
                    assert!(behind > SUBSCRIBER_QUEUE, "only {behind} behind");
                    self.lagged = true;
                    return;
                }
                Err(TryRecvError::Closed) => panic!("the events go on"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_lost_between_the_past_and_what_comes(
        story in prop::collection::vec(happens(), 1..40),
    ) {
        let events = Events::new();
        let (mut published, mut subscribers) = (0, Vec::<Subscriber>::new());
        for what in story {
            match what {
                Happens::Publish(count) => for _ in 0..count {
                    events.publish(Event::new(Kind::Container, "x", published.to_string()));
                    published += 1;
                },
                Happens::Subscribe => {
                    let (past, live) = events.subscribe();
                    let numbers: Vec<_> = past.iter().map(|message| number(message)).collect();
                    let from = published - published.min(RING_EVENTS);
                    prop_assert_eq!(numbers, (from..published).collect::<Vec<_>>());
                    subscribers.push(Subscriber { live, next: published, lagged: false });
                }
                Happens::Read(_) if subscribers.is_empty() => {}
                Happens::Read(which) => {
                    let at = which.index(subscribers.len());
                    subscribers[at].read(published);
                    subscribers.retain(|subscriber| !subscriber.lagged);
                }
            }
            prop_assert_eq!(events.listeners(), subscribers.len());
        }
        prop_assert_eq!(events.published(), published as u64);
    }
}
