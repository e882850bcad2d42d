//! Tables that lead from a prefix code's bits to what they mean: the first one by as many bits as
//! most codes have, and behind it smaller ones for the longer codes.
//!
//! Source: RFC 1951, 3.2.

use super::Malformed;

/// Bits of a code at most.
pub(super) const CODE_LIMIT: u32 = 15;
const LENGTHS: usize = CODE_LIMIT as usize + 1;
const END_OF_BLOCK: usize = 256;

/// Literals and lengths. 286 codes need 2342 entries at most.
pub(super) type Literals = Table<11, 4096>;
/// Distances. 30 codes need 402 entries at most.
pub(super) type Distances = Table<8, 512>;
/// The code lengths' own code, without longer codes.
pub(super) type Precode = Table<7, 128>;

/// What some bits mean: below, how many bits in all and how many of them are the code; above,
/// flags, and the value that the other bits are added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u32);

const CODE_SHIFT: u32 = 8;
const CODE_MASK: u32 = 0xf;
/// One bit more than there is, as shifts of 64 bits look at six.
const TOTAL_MASK: u32 = 0x3f;
const VALUE_SHIFT: u32 = 16;
const LITERAL: u32 = 1 << 12;
const END: u32 = 1 << 13;
const SUBTABLE: u32 = 1 << 14;
const INVALID: u32 = 1 << 15;
/// Neither a literal nor a length nor a distance.
const SPECIAL: u32 = END | SUBTABLE | INVALID;

impl Entry {
    /// Without the code's own length, which [`Entry::coded`] adds.
    const fn new(value: usize, extra: u32, flags: u32) -> Self {
        Self((value as u32) << VALUE_SHIFT | extra | flags)
    }

    fn coded(self, bits: u32) -> Self {
        Self((self.0 | bits << CODE_SHIFT) + bits)
    }

    pub(super) fn is_literal(self) -> bool {
        self.0 & LITERAL != 0
    }

    pub(super) fn is_end(self) -> bool {
        self.0 & END != 0
    }

    pub(super) fn is_subtable(self) -> bool {
        self.0 & SUBTABLE != 0
    }

    pub(super) fn is_invalid(self) -> bool {
        self.0 & INVALID != 0
    }

    /// Bits of the code and the extra ones.
    pub(super) fn total(self) -> u32 {
        self.0 & TOTAL_MASK
    }

    pub(super) fn value(self) -> usize {
        (self.0 >> VALUE_SHIFT) as usize
    }

    /// The value of the extra bits, behind the code at the beginning of `bits`.
    pub(super) fn extra(self, bits: u64) -> usize {
        let code = self.0 >> CODE_SHIFT & CODE_MASK;
        ((bits & ((1 << self.total()) - 1)) >> code) as usize
    }
}

/// Bits of the input, lowest first; above the first `count` may be some that are still to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits {
    pub(super) bits: u64,
    pub(super) count: u32,
}

impl Bits {
    /// Takes whole bytes until there are 56 bits or more, without looking at one: what does not
    /// count yet is put in the same place the next time. How many bytes it took.
    #[inline(always)]
    pub(super) fn refill(&mut self, ahead: &[u8]) -> usize {
        let mut word = [0; 8];
        word.copy_from_slice(&ahead[..8]);
        self.bits |= u64::from_le_bytes(word) << self.count;
        let taken = (63 - self.count) >> 3;
        self.count |= 56;
        taken as usize
    }

    /// Goes behind the bits that an entry is about.
    #[inline(always)]
    pub(super) fn skip(&mut self, entry: Entry) {
        self.bits >>= entry.total();
        self.count -= entry.total();
    }
}

/// A table of `SIZE` entries, a power of two; the first `1 << BITS` are found by a code's
/// beginning.
#[derive(Debug)]
pub(super) struct Table<const BITS: u32, const SIZE: usize> {
    entries: Box<[Entry; SIZE]>,
}

impl<const BITS: u32, const SIZE: usize> Table<BITS, SIZE> {
    pub(super) fn new() -> Self {
        Self { entries: Box::new([Entry(INVALID); SIZE]) }
    }

    /// What the first table says.
    #[inline(always)]
    pub(super) fn first(&self, bits: u64) -> Entry {
        self.entries[bits as usize & ((1 << BITS) - 1)]
    }

    /// What the table says that `entry` leads to.
    #[inline(always)]
    pub(super) fn below(&self, entry: Entry, bits: u64) -> Entry {
        // A subtable's number of bits is where others have their extra bits.
        let index = bits as usize >> BITS & ((1 << entry.total()) - 1);
        self.entries[(entry.value() + index) & (SIZE - 1)]
    }

    #[inline(always)]
    pub(super) fn find(&self, bits: u64) -> Entry {
        let entry = self.first(bits);
        if entry.is_subtable() { self.below(entry, bits) } else { entry }
    }

    /// Makes the tables of a code by the lengths of its symbols' codes; 0 has none. A code that is
    /// not complete may have one symbol alone, or none.
    pub(super) fn build(
        &mut self,
        lengths: &[u8],
        meaning: impl Fn(usize) -> Entry,
    ) -> Result<(), Malformed> {
        let mut counts = [0_u16; LENGTHS];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;
        let longest = counts.iter().rposition(|count| *count > 0).unwrap_or_default();
        let used = (1..LENGTHS).map(|length| usize::from(counts[length]) << (LENGTHS - 1 - length));
        let used: usize = used.sum();
        let is_single = longest == 1;
        if used > 1 << CODE_LIMIT || used < 1 << CODE_LIMIT && longest > 0 && !is_single {
            return Err(Malformed("code that is over-subscribed or incomplete"));
        }
        if used < 1 << CODE_LIMIT {
            self.entries[..1 << BITS].fill(Entry(INVALID));
        }
        let mut sorted = [0_u16; 288];
        let mut offsets = [0_u16; LENGTHS + 1];
        for length in 1..LENGTHS {
            offsets[length + 1] = offsets[length] + counts[length];
        }
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let offset = &mut offsets[usize::from(*length)];
            sorted[usize::from(*offset)] = symbol as u16;
            *offset += 1;
        }
        self.place(counts, &sorted, meaning);
        Ok(())
    }

    /// Enters the symbols, which are in the order of their codes.
    fn place(
        &mut self,
        mut counts: [u16; LENGTHS],
        sorted: &[u16],
        meaning: impl Fn(usize) -> Entry,
    ) {
        let total: u16 = counts.iter().sum();
        let (mut code, mut length) = (0_u32, 1_u32);
        // The subtable that is being filled: the beginning of its codes, where it is, its bits.
        let mut subtable = (u32::MAX, 1_usize << BITS, 0_u32);
        for symbol in &sorted[..usize::from(total)] {
            while counts[length as usize] == 0 {
                length += 1;
                code <<= 1;
            }
            let entry = meaning(usize::from(*symbol)).coded(length);
            let reversed = code.reverse_bits() >> (32 - length);
            let (start, bits, first) = if length <= BITS {
                (0, BITS, reversed)
            } else {
                let prefix = reversed & ((1 << BITS) - 1);
                if subtable.0 != prefix {
                    let bits = subtable_bits(&counts, length, BITS);
                    let start = subtable.1 + (usize::from(subtable.2 > 0) << subtable.2);
                    subtable = (prefix, start, bits);
                    self.entries[prefix as usize] = Entry::new(start, bits, SUBTABLE);
                }
                (subtable.1, subtable.2, reversed >> BITS)
            };
            let step = if length <= BITS { 1 << length } else { 1 << (length - BITS) };
            for index in (first as usize..1 << bits).step_by(step) {
                self.entries[(start + index) & (SIZE - 1)] = entry;
            }
            counts[length as usize] -= 1;
            code += 1;
        }
    }
}

impl Distances {
    /// Length and distance of a match that begins with `length`, and how many bytes of the input it
    /// took to know them. None, and nothing is taken, if it is none, or leads before the `end` bytes
    /// that there are.
    #[inline(always)]
    pub(super) fn matched(
        &self,
        length: Entry,
        now: &mut Bits,
        ahead: &[u8],
        end: usize,
    ) -> Option<(usize, usize, usize)> {
        let mut then = *now;
        then.skip(length);
        let taken = then.refill(ahead);
        let far = self.find(then.bits);
        let distance = far.value() + far.extra(then.bits);
        if (length.0 | far.0) & SPECIAL != 0 || distance > end {
            return None;
        }
        then.skip(far);
        let length = length.value() + length.extra(now.bits);
        *now = then;
        Some((length, distance, taken))
    }
}

/// How many bits a subtable needs whose first code has this length: until its codes are complete.
fn subtable_bits(counts: &[u16; LENGTHS], length: u32, first: u32) -> u32 {
    let mut bits = length - first;
    let mut left = (1_i32 << bits) - i32::from(counts[length as usize]);
    while left > 0 && bits + first < CODE_LIMIT {
        bits += 1;
        left = (left << 1) - i32::from(counts[(bits + first) as usize]);
    }
    bits
}

/// The code lengths' own code: the symbols 16 to 18 repeat, and extra bits say how often.
pub(super) fn code_length(symbol: usize) -> Entry {
    Entry::new(symbol, [2, 3, 7].get(symbol.wrapping_sub(16)).copied().unwrap_or_default(), 0)
}

/// Source: RFC 1951, 3.2.5.
pub(super) fn literal_or_length(symbol: usize) -> Entry {
    match symbol {
        0..END_OF_BLOCK => Entry::new(symbol, 0, LITERAL),
        END_OF_BLOCK => Entry::new(0, 0, END),
        257..=264 => Entry::new(symbol - 254, 0, 0),
        265..=284 => {
            let extra = (symbol - 261) / 4;
            Entry::new(3 + ((4 + (symbol - 261) % 4) << extra), extra as u32, 0)
        }
        285 => Entry::new(258, 0, 0),
        _ => Entry::new(0, 0, INVALID),
    }
}

/// Source: RFC 1951, 3.2.5.
pub(super) fn distance(symbol: usize) -> Entry {
    match symbol {
        0..=3 => Entry::new(symbol + 1, 0, 0),
        4..=29 => {
            let extra = symbol / 2 - 1;
            Entry::new(1 + ((2 + symbol % 2) << extra), extra as u32, 0)
        }
        _ => Entry::new(0, 0, INVALID),
    }
}

/// The lengths of the fixed codes, of literals and lengths and of distances.
///
/// Source: RFC 1951, 3.2.6.
pub(super) fn fixed() -> ([u8; 288], [u8; 32]) {
    let mut literals = [8; 288];
    literals[144..256].fill(9);
    literals[256..280].fill(7);
    (literals, [5; 32])
}
