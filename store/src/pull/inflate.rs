//! DEFLATE in pieces: takes input as it comes, and keeps what it makes, with the history that later
//! input refers to, in one buffer of its own.
//!
//! In the middle of a block, while there is input and room for every case, [`Inflater::fast`] goes
//! on without looking at single bytes; at the edges [`Inflater::careful`] goes symbol by symbol. Both
//! read the same tables. Layers are what the machine's cores wait for in a pull: hence a decoder
//! that knows that the checksum is reckoned elsewhere and that one buffer is enough.
//!
//! Source: RFC 1951.

mod copy;
mod table;

use table::{Bits, CODE_LIMIT, Distances, Entry, Literals, Precode};

/// How far back a match reaches at most.
const HISTORY: usize = 32 << 10;
/// Bytes that are made before they have to be taken.
const ROOM: usize = 192 << 10;
const LIMIT: usize = HISTORY + ROOM;
/// What one round of [`Inflater::fast`] may write behind the limit: literals, the longest match,
/// and what is copied too much.
const SLACK: usize = 4 + 258 + 2 * copy::STEP;
const SIZE: usize = LIMIT + SLACK;
/// Bytes of input that one round of [`Inflater::fast`] may look at.
const LOOKAHEAD: usize = 16;
/// Where the lengths of the code lengths' own code are. Source: RFC 1951, 3.2.7.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LITERALS_LIMIT: usize = 286;
const DISTANCES_LIMIT: usize = 30;
const END_OF_BLOCK: usize = 256;

/// Bytes that are no DEFLATE stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed deflate stream: {0}")]
pub(super) struct Malformed(&'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Block,
    StoredLength,
    /// Bytes that are left.
    Stored(usize),
    Counts,
    /// Lengths that are known of the code lengths' code.
    Precode(usize),
    /// Code lengths that are known.
    Lengths(usize),
    Symbols,
    Ended,
}

/// A stream of DEFLATE on its way.
pub(super) struct Inflater {
    state: State,
    is_last: bool,
    /// Taken from the input and not used yet, lowest first; what is above `count` is zero.
    bits: u64,
    count: u32,
    /// Of a dynamic block: how many codes for literals, for distances, for code lengths.
    counts: [usize; 3],
    lengths: [u8; LITERALS_LIMIT + DISTANCES_LIMIT],
    precode: Precode,
    literals: Literals,
    distances: Distances,
    buffer: Box<[u8; SIZE]>,
    /// Where what has been made and not been taken begins and ends.
    start: usize,
    end: usize,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            state: State::Block,
            is_last: false,
            bits: 0,
            count: 0,
            counts: [0; 3],
            lengths: [0; LITERALS_LIMIT + DISTANCES_LIMIT],
            precode: Precode::new(),
            literals: Literals::new(),
            distances: Distances::new(),
            buffer: Box::new([0; SIZE]),
            start: 0,
            end: 0,
        }
    }

    /// Begins another stream; everything that was made must have been taken.
    pub(super) fn reset(&mut self) {
        (self.state, self.is_last, self.bits, self.count) = (State::Block, false, 0, 0);
        (self.start, self.end) = (0, 0);
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// What was made and not taken yet.
    pub(super) fn made(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes bytes of [`Inflater::made`].
    pub(super) fn take(&mut self, count: usize) {
        self.start += count;
    }

    /// Behind the end: a byte of the input that was taken but is not the stream's.
    pub(super) fn give_back(&mut self) -> Option<u8> {
        // The last byte's other bits are padding.
        self.bits(self.count % 8);
        (self.count > 0).then(|| self.bits(8) as u8)
    }

    /// Goes on with what is there; answers how much of the input was taken. It stops at the end,
    /// without input, and when there is much to take.
    pub(super) fn inflate(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        if self.start == self.end && self.end >= LIMIT {
            let keep = self.end - HISTORY;
            self.buffer.copy_within(keep..self.end, 0);
            (self.start, self.end) = (HISTORY, HISTORY);
        }
        let mut rest = input;
        while self.end < LIMIT && self.step(&mut rest)? {}
        Ok(input.len() - rest.len())
    }

    /// One step; false where more input is needed, and at the end.
    fn step(&mut self, input: &mut &[u8]) -> Result<bool, Malformed> {
        let state = self.state;
        match state {
            State::Ended => return Ok(false),
            State::Block if self.fill(input, 3) => self.block()?,
            State::StoredLength => {
                self.bits(self.count % 8);
                if !self.fill(input, 32) {
                    return Ok(false);
                }
                let (length, inverse) = (self.bits(16), self.bits(16));
                if length != !inverse & 0xffff {
                    return Err(Malformed("stored block's length"));
                }
                self.state = State::Stored(length as usize);
            }
            State::Stored(0) => self.end_block(),
            State::Stored(left) => return Ok(self.stored(left, input)),
            State::Counts if self.fill(input, 14) => {
                let mut count = |bits, least| self.bits(bits) as usize + least;
                self.counts = [count(5, 257), count(5, 1), count(4, 4)];
                if self.counts[0] > LITERALS_LIMIT || self.counts[1] > DISTANCES_LIMIT {
                    return Err(Malformed("too many codes"));
                }
                self.lengths.fill(0);
                self.state = State::Precode(0);
            }
            State::Precode(known) if known == self.counts[2] => {
                self.precode.build(&self.lengths[..ORDER.len()], table::code_length)?;
                self.lengths.fill(0);
                self.state = State::Lengths(0);
            }
            State::Precode(known) if self.fill(input, 3) => {
                self.lengths[ORDER[known]] = self.bits(3) as u8;
                self.state = State::Precode(known + 1);
            }
            State::Lengths(known) if known == self.counts[0] + self.counts[1] => self.dynamic()?,
            State::Lengths(known) => return self.code_length(known, input),
            State::Symbols => {
                self.fast(input);
                return self.careful(input);
            }
            State::Block | State::Counts | State::Precode(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Takes whole bytes until there are so many bits, if there are.
    fn fill(&mut self, input: &mut &[u8], bits: u32) -> bool {
        while self.count < bits {
            let Some((byte, rest)) = input.split_first() else { return false };
            self.bits |= u64::from(*byte) << self.count;
            self.count += 8;
            *input = rest;
        }
        true
    }

    /// The next bits, which are there.
    fn bits(&mut self, count: u32) -> u64 {
        let value = self.bits & ((1 << count) - 1);
        self.bits >>= count;
        self.count -= count;
        value
    }

    fn block(&mut self) -> Result<(), Malformed> {
        self.is_last = self.bits(1) == 1;
        self.state = match self.bits(2) {
            0 => State::StoredLength,
            1 => {
                let (literals, distances) = table::fixed();
                self.literals.build(&literals, table::literal_or_length)?;
                self.distances.build(&distances, table::distance)?;
                State::Symbols
            }
            2 => State::Counts,
            _ => return Err(Malformed("block type")),
        };
        Ok(())
    }

    fn end_block(&mut self) {
        self.state = if self.is_last { State::Ended } else { State::Block };
    }

    /// Copies bytes of a stored block, of which so many are left.
    fn stored(&mut self, left: usize, input: &mut &[u8]) -> bool {
        if self.count > 0 {
            self.buffer[self.end] = self.bits(8) as u8;
            self.end += 1;
            self.state = State::Stored(left - 1);
            return true;
        }
        let count = left.min(input.len()).min(LIMIT - self.end);
        let (now, later) = input.split_at(count);
        self.buffer[self.end..self.end + count].copy_from_slice(now);
        self.end += count;
        *input = later;
        self.state = State::Stored(left - count);
        count > 0
    }

    /// One symbol of the code lengths' code.
    fn code_length(&mut self, known: usize, input: &mut &[u8]) -> Result<bool, Malformed> {
        // 7 bits of the code and 7 more; one more tells a wrong code from an early end.
        self.fill(input, CODE_LIMIT);
        let entry = self.precode.first(self.bits);
        if entry.is_invalid() && self.count >= CODE_LIMIT {
            return Err(Malformed("code length"));
        }
        if entry.is_invalid() || entry.total() > self.count {
            return Ok(false);
        }
        let extra = self.consume(entry);
        // Of all code lengths only those below 16 are their own values.
        let (length, times) = match entry.value() {
            16 if known == 0 => return Err(Malformed("repeats no code length")),
            16 => (self.lengths[known - 1], 3 + extra),
            17 => (0, 3 + extra),
            18 => (0, 11 + extra),
            length => (length as u8, 1),
        };
        let lengths = &mut self.lengths[..self.counts[0] + self.counts[1]];
        let repeated = lengths.get_mut(known..known + times).ok_or(Malformed("code lengths"))?;
        repeated.fill(length);
        self.state = State::Lengths(known + times);
        Ok(true)
    }

    fn dynamic(&mut self) -> Result<(), Malformed> {
        let lengths = &self.lengths[..self.counts[0] + self.counts[1]];
        let (literals, distances) = lengths.split_at(self.counts[0]);
        if literals[END_OF_BLOCK] == 0 {
            return Err(Malformed("block without end"));
        }
        self.literals.build(literals, table::literal_or_length)?;
        self.distances.build(distances, table::distance)?;
        self.state = State::Symbols;
        Ok(())
    }

    /// Goes behind an entry's bits; answers its extra ones.
    fn consume(&mut self, entry: Entry) -> usize {
        let extra = entry.extra(self.bits);
        self.bits(entry.total());
        extra
    }

    /// One symbol, with a match's distance; false where more input is needed.
    fn careful(&mut self, input: &mut &[u8]) -> Result<bool, Malformed> {
        if self.state != State::Symbols || self.end >= LIMIT {
            return Ok(true);
        }
        // 15 bits of a length, 5 more, 15 of a distance, 13 more.
        self.fill(input, 48);
        let entry = self.literals.find(self.bits);
        let (bits, count) = (self.bits, self.count);
        if entry.is_invalid() || entry.total() > count {
            return needs_more(entry, count, "literal or length");
        }
        if entry.is_literal() {
            self.consume(entry);
            self.buffer[self.end] = entry.value() as u8;
            self.end += 1;
            return Ok(true);
        }
        if entry.is_end() {
            self.consume(entry);
            self.end_block();
            return Ok(true);
        }
        let far = self.distances.find(bits >> entry.total());
        if far.is_invalid() || entry.total() + far.total() > count {
            return needs_more(far, count - entry.total(), "distance");
        }
        let length = entry.value() + self.consume(entry);
        let distance = far.value() + self.consume(far);
        if distance > self.end {
            return Err(Malformed("distance too far back"));
        }
        copy::within(&mut *self.buffer, self.end, distance, length);
        self.end += length;
        Ok(true)
    }

    /// Literals and matches, as long as there is input and room for any. It stops before all else,
    /// which is for [`Inflater::careful`].
    fn fast(&mut self, input: &mut &[u8]) {
        let all = *input;
        let Some(ahead) = all.get(..LOOKAHEAD) else { return };
        let (mut now, mut end) = (Bits { bits: self.bits, count: self.count }, self.end);
        let (buffer, literals) = (&mut *self.buffer, &self.literals);
        let mut at = now.refill(ahead);
        // The next entry is always looked up before anything is done with the last one.
        let mut entry = literals.first(now.bits);
        let put = |entry: Entry, now: &mut Bits, buffer: &mut [u8; SIZE], end: &mut usize| {
            buffer[*end] = entry.value() as u8;
            now.skip(entry);
            *end += 1;
            literals.first(now.bits)
        };
        while let Some(ahead) = all.get(at..at + LOOKAHEAD)
            && end < LIMIT
        {
            let taken = now.refill(ahead);
            at += taken;
            // Three literals of the first table and a length have 53 bits at most.
            if entry.is_literal() {
                entry = put(entry, &mut now, buffer, &mut end);
                if entry.is_literal() {
                    entry = put(entry, &mut now, buffer, &mut end);
                    if entry.is_literal() {
                        entry = put(entry, &mut now, buffer, &mut end);
                        continue;
                    }
                }
            }
            if entry.is_subtable() {
                entry = literals.below(entry, now.bits);
                if entry.is_literal() {
                    entry = put(entry, &mut now, buffer, &mut end);
                    continue;
                }
            }
            let Some((length, distance, taken)) =
                self.distances.matched(entry, &mut now, &ahead[taken..], end)
            else {
                break;
            };
            at += taken;
            entry = literals.first(now.bits);
            copy::within(buffer, end, distance, length);
            end += length;
        }
        self.bits = now.bits & ((1 << now.count) - 1);
        (self.count, self.end) = (now.count, end);
        *input = &all[at..];
    }
}

/// What an entry means that can not be used: an error, unless bits to come may change it.
fn needs_more(entry: Entry, count: u32, what: &'static str) -> Result<bool, Malformed> {
    if entry.is_invalid() && count >= CODE_LIMIT { Err(Malformed(what)) } else { Ok(false) }
}

#[cfg(test)]
mod tests;
