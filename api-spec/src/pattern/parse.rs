//! From the text of an expression to its parts.

use std::iter::Peekable;
use std::str::Chars;

use super::Node;
use super::set::{Set, named};

/// Groups inside of groups, at most; Go's own bound is 1000.
const MAX_DEPTH: usize = 200;
/// Most repetitions that braces may ask for, as in Go.
const MAX_REPEATS: usize = 1000;

/// The parts of an expression; `None` when it is none.
pub(super) fn parse(text: &str) -> Option<Node> {
    let mut parser = Parser { rest: text.chars().peekable(), folded: false, depth: 0 };
    let node = parser.choice()?;
    parser.rest.next().is_none().then_some(node)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    /// `(?i)` was said.
    folded: bool,
    depth: usize,
}

impl Parser<'_> {
    fn skip(&mut self, letter: char) -> bool {
        self.rest.next_if_eq(&letter).is_some()
    }

    fn choice(&mut self) -> Option<Node> {
        let mut ways = vec![self.sequence()?];
        while self.skip('|') {
            ways.push(self.sequence()?);
        }
        Some(Node::Any(ways))
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut nodes = Vec::new();
        while !matches!(self.rest.peek(), None | Some('|' | ')')) {
            let node = self.one()?;
            nodes.push(self.repeated(node)?);
        }
        Some(Node::All(nodes))
    }

    fn one(&mut self) -> Option<Node> {
        Some(match self.rest.next()? {
            '(' => return self.group(),
            '[' => Node::One(self.class()?),
            '.' => Node::One(Set::any()),
            '^' => Node::Start,
            '$' => Node::End,
            '*' | '+' | '?' => return None,
            '\\' => match self.rest.next()? {
                'A' => Node::Start,
                'z' => Node::End,
                letter => Node::One(self.fold(escaped(letter)?)),
            },
            letter => Node::One(self.fold(Set::one(letter))),
        })
    }

    fn fold(&self, set: Set) -> Set {
        Set { folded: self.folded, ..set }
    }

    /// What may stand behind a part: how often it comes.
    fn repeated(&mut self, node: Node) -> Option<Node> {
        let (least, most) = match self.rest.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => match braces(self.rest.clone()) {
                Some((least, most, length)) => {
                    self.rest.nth(length - 1);
                    let is_bound = most.unwrap_or(least).max(least) <= MAX_REPEATS
                        && most.is_none_or(|most| least <= most);
                    is_bound.then_some(())?;
                    return self.after_repeat(Node::Repeat(Box::new(node), least, most));
                }
                // Braces of another form are letters.
                None => return Some(node),
            },
            _ => return Some(node),
        };
        self.rest.next();
        self.after_repeat(Node::Repeat(Box::new(node), least, most))
    }

    /// A `?` here asks for the shortest one, which is no question here; repeating again is refused.
    fn after_repeat(&mut self, node: Node) -> Option<Node> {
        self.skip('?');
        let again = match self.rest.peek() {
            Some('*' | '+' | '?') => true,
            Some('{') => braces(self.rest.clone()).is_some(),
            _ => false,
        };
        (!again).then_some(node)
    }

    fn group(&mut self) -> Option<Node> {
        self.depth += 1;
        let outside = self.folded;
        (self.depth <= MAX_DEPTH).then_some(())?;
        if self.skip('?') {
            let named = self.skip('P') && self.skip('<') || self.skip('<');
            if named {
                self.rest.find(|letter| *letter == '>')?;
            } else if self.flags()? {
                self.depth -= 1;
                return Some(Node::All(Vec::new()));
            }
        }
        let node = self.choice()?;
        self.folded = outside;
        self.depth -= 1;
        self.skip(')').then_some(node)
    }

    /// Flags up to `:`, or up to `)`, where they are for what follows (true). Texts have one line, so
    /// only `i` makes a difference.
    fn flags(&mut self) -> Option<bool> {
        let mut on = true;
        loop {
            match self.rest.next()? {
                ':' => return Some(false),
                ')' => return Some(true),
                'i' => self.folded = on,
                'm' | 's' | 'U' => {}
                '-' if on => on = false,
                _ => return None,
            }
        }
    }

    /// The inside of brackets.
    fn class(&mut self) -> Option<Set> {
        let mut set = Set { negated: self.skip('^'), folded: self.folded, ranges: Vec::new() };
        let mut is_first = true;
        loop {
            let letter = self.rest.next()?;
            if letter == ']' && !is_first {
                return Some(set);
            }
            is_first = false;
            if letter == '[' && self.skip(':') {
                let name: String = self.rest.by_ref().take_while(|letter| *letter != ':').collect();
                self.skip(']').then_some(())?;
                set.ranges.extend(named(&name)?);
                continue;
            }
            let from = match self.member(letter)? {
                Ok(letter) => letter,
                Err(ranges) => {
                    set.ranges.extend(ranges);
                    continue;
                }
            };
            let mut ahead = self.rest.clone();
            let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|it| *it != ']');
            let to = match is_range {
                true => {
                    self.rest.next();
                    let letter = self.rest.next()?;
                    self.member(letter)?.ok()?
                }
                false => from,
            };
            (from <= to).then_some(())?;
            set.ranges.push((from, to));
        }
    }

    /// A letter of a class, or the ranges of one like `\d`.
    fn member(&mut self, letter: char) -> Option<Result<char, Vec<(char, char)>>> {
        if letter != '\\' {
            return Some(Ok(letter));
        }
        let set = escaped(self.rest.next()?)?;
        match set.ranges.as_slice() {
            _ if set.negated => None,
            [(from, to)] if from == to => Some(Ok(*from)),
            _ => Some(Err(set.ranges)),
        }
    }
}

/// What a letter behind a backslash stands for.
fn escaped(letter: char) -> Option<Set> {
    Some(match letter {
        't' => Set::one('\t'),
        'n' => Set::one('\n'),
        'r' => Set::one('\r'),
        letter if letter.is_ascii_punctuation() => Set::one(letter),
        letter => return Set::by_letter(letter),
    })
}

/// `{2}`, `{2,}`, `{2,3}`: the least, the most, and how many letters say so.
fn braces(text: Peekable<Chars<'_>>) -> Option<(usize, Option<usize>, usize)> {
    let rest: String = text.skip(1).collect();
    let (inside, _) = rest.split_once('}')?;
    let (least, most) = match inside.split_once(',') {
        Some((least, most)) => (least, Some(most)),
        None => (inside, None),
    };
    let number = |text: &str| -> Option<usize> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    let least = number(least)?;
    let most = match most {
        None => Some(least),
        Some("") => None,
        Some(most) => Some(number(most)?),
    };
    Some((least, most, inside.len() + 2))
}
