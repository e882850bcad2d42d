//! Sets of letters: what one place of an expression stands for.

/// Letters by ranges, or all but those.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) ranges: Vec<(char, char)>,
    pub(super) negated: bool,
    /// Capital and small letters are the same.
    pub(super) folded: bool,
}

impl Set {
    /// One letter.
    pub(super) fn one(letter: char) -> Self {
        Self::of(&[(letter, letter)])
    }

    pub(super) fn of(ranges: &[(char, char)]) -> Self {
        Self { ranges: ranges.to_vec(), ..Self::default() }
    }

    /// Any letter but a line feed.
    pub(super) fn any() -> Self {
        Self { negated: true, ..Self::one('\n') }
    }

    /// `\d`, `\w`, `\s` by their letter; a capital one is all the others.
    pub(super) fn by_letter(letter: char) -> Option<Self> {
        let ranges = match letter.to_ascii_lowercase() {
            'd' => named("digit"),
            'w' => named("word"),
            's' => Some([('\t', '\n'), ('\x0c', '\r'), (' ', ' ')].as_slice()),
            _ => None,
        };
        Some(Self { negated: letter.is_ascii_uppercase(), ..Self::of(ranges?) })
    }

    pub(super) fn has(&self, letter: char) -> bool {
        let within = |letter: char| self.ranges.iter().any(|(a, b)| (*a..=*b).contains(&letter));
        let is_in = match self.folded {
            false => within(letter),
            true => letter.to_lowercase().chain(letter.to_uppercase()).any(within),
        };
        is_in != self.negated
    }
}

/// The letters of a class that brackets name, as in `[[:alpha:]]`.
pub(super) fn named(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "digit" => &[('0', '9')],
        "lower" => &[('a', 'z')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}
