//! What a receiver of log entries has not taken yet, bounded.

use std::collections::VecDeque;
use std::io;

/// Packets that wait, oldest first.
#[derive(Debug)]
pub(super) struct Backlog {
    packets: VecDeque<Vec<u8>>,
    bytes: usize,
    max: usize,
    /// A packet was refused, and more than half of the room is still taken: what is lost is lost in one piece.
    full: bool,
    /// Who they are for, as errors name it.
    receiver: &'static str,
}

impl Backlog {
    /// With room for `max` bytes.
    pub(super) fn new(max: usize, receiver: &'static str) -> Self {
        Self { packets: VecDeque::new(), bytes: 0, max, full: false, receiver }
    }

    /// Keeps a packet if there is room; the only one may be longer than that. Docker keeps the older ones, too.
    pub(super) fn push(&mut self, packet: &[u8]) -> io::Result<()> {
        self.full &= self.bytes > self.max / 2;
        self.full |= !self.is_empty() && self.bytes + packet.len() > self.max;
        if self.full {
            let Self { max, receiver, .. } = self;
            let text = format!("the buffer of {max} bytes before the {receiver} is full");
            return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
        }
        self.bytes += packet.len();
        self.packets.push_back(packet.to_owned());
        Ok(())
    }

    /// Sends what waits, until the receiver takes no more.
    pub(super) fn empty_into(&mut self, mut send: impl FnMut(&[u8]) -> bool) {
        while let Some(first) = self.packets.front() {
            if !send(first) {
                return;
            }
            self.bytes -= first.len();
            self.packets.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
