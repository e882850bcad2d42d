//! Regular expressions in the values of filters: the part of Go's syntax (RE2) that names are looked
//! for with. Whether one is found takes time linear in the text, whatever the expression is.
//!
//! What Go does not understand is no pattern; neither are `\p`, `\b` and `\x`, which no name needs.

mod parse;
mod set;

use set::Set;

/// Longest expression, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;
/// Most steps of an expression, repetitions counted out.
const MAX_STEPS: usize = 20_000;

/// An expression that is understood.
#[derive(Debug, Clone)]
pub struct Pattern(Vec<Step>);

/// One step of the automaton. Numbers are positions of steps.
#[derive(Debug, Clone)]
enum Step {
    One(Set),
    Start,
    End,
    Fork(usize, usize),
    Found,
}

/// What an expression consists of.
#[derive(Debug, Clone)]
enum Node {
    One(Set),
    Start,
    End,
    All(Vec<Node>),
    Any(Vec<Node>),
    /// At least, at most.
    Repeat(Box<Node>, usize, Option<usize>),
}

impl Pattern {
    /// Reads an expression; `None` for what is none, or is too long.
    pub fn parse(text: &str) -> Option<Self> {
        let node = parse::parse(text).filter(|_| text.len() <= MAX_PATTERN_BYTES)?;
        let mut steps = Vec::new();
        add(&mut steps, &node)?;
        steps.push(Step::Found);
        Some(Self(steps))
    }

    /// Whether some part of the text fits.
    pub fn is_in(&self, text: &str) -> bool {
        let (mut now, mut next) = (Places::of(&self.0), Places::of(&self.0));
        let mut letters = text.chars();
        let mut is_start = true;
        loop {
            let letter = letters.next();
            if self.reach(&mut now, 0, is_start, letter.is_none()) {
                return true;
            }
            let Some(letter) = letter else { return false };
            let is_end = letters.as_str().is_empty();
            next.clear();
            for &place in &now.list {
                if matches!(&self.0[place], Step::One(set) if set.has(letter))
                    && self.reach(&mut next, place + 1, false, is_end)
                {
                    return true;
                }
            }
            std::mem::swap(&mut now, &mut next);
            is_start = false;
        }
    }

    /// Adds a place and all that are reached from it without a letter; true: the end is one of them.
    fn reach(&self, places: &mut Places, from: usize, is_start: bool, is_end: bool) -> bool {
        let mut open = vec![from];
        while let Some(place) = open.pop() {
            if !places.add(place) {
                continue;
            }
            match self.0[place] {
                Step::Found => return true,
                Step::Fork(one, other) => open.extend([other, one]),
                Step::Start if is_start => open.push(place + 1),
                Step::End if is_end => open.push(place + 1),
                Step::Start | Step::End | Step::One(_) => {}
            }
        }
        false
    }
}

/// Puts the steps of a node behind those that are there; `None` when they become too many.
fn add(steps: &mut Vec<Step>, node: &Node) -> Option<()> {
    match node {
        Node::One(set) => steps.push(Step::One(set.clone())),
        Node::Start => steps.push(Step::Start),
        Node::End => steps.push(Step::End),
        Node::All(nodes) => nodes.iter().try_for_each(|node| add(steps, node))?,
        Node::Any(nodes) => {
            let mut ends = Vec::new();
            for (at, node) in nodes.iter().enumerate() {
                let fork = steps.len();
                let is_last = at + 1 == nodes.len();
                if !is_last {
                    steps.push(Step::Fork(fork + 1, 0));
                }
                add(steps, node)?;
                if !is_last {
                    ends.push(steps.len());
                    steps.push(Step::Fork(0, 0));
                    steps[fork] = Step::Fork(fork + 1, steps.len());
                }
            }
            let end = steps.len();
            ends.into_iter().for_each(|at| steps[at] = Step::Fork(end, end));
        }
        Node::Repeat(node, least, most) => {
            (0..*least).try_for_each(|_| add(steps, node))?;
            match most {
                Some(most) => {
                    (*least..*most).try_for_each(|_| skippable(steps, node, false))?;
                }
                None => skippable(steps, node, true)?,
            }
        }
    }
    (steps.len() <= MAX_STEPS).then_some(())
}

/// A node that may be left out and, when `again`, come any number of times.
fn skippable(steps: &mut Vec<Step>, node: &Node, again: bool) -> Option<()> {
    let fork = steps.len();
    steps.push(Step::Fork(fork + 1, 0));
    add(steps, node)?;
    if again {
        steps.push(Step::Fork(fork, fork));
    }
    steps[fork] = Step::Fork(fork + 1, steps.len());
    Some(())
}

/// The places where the automaton is, each once.
struct Places {
    list: Vec<usize>,
    known: Vec<bool>,
}

impl Places {
    fn of(steps: &[Step]) -> Self {
        Self { list: Vec::new(), known: vec![false; steps.len()] }
    }

    fn add(&mut self, place: usize) -> bool {
        let is_new = !std::mem::replace(&mut self.known[place], true);
        if is_new {
            self.list.push(place);
        }
        is_new
    }

    fn clear(&mut self) {
        self.list.drain(..).for_each(|place| self.known[place] = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_found(pattern: &str, texts: &[&str], others: &[&str]) {
        let parsed = Pattern::parse(pattern).unwrap_or_else(|| panic!("{pattern}"));
        for text in texts {
            assert!(parsed.is_in(text), "{pattern} in {text}");
        }
        for text in others {
            assert!(!parsed.is_in(text), "{pattern} not in {text}");
        }
    }

    #[test]
    fn names_are_found() {
        assert_found("eb", &["web", "eb", "webs"], &["e", "we", ""]);
        assert_found("^/?web$", &["web", "/web"], &["web1", "aweb", ""]);
        assert_found("^(web|db)-[0-9]+$", &["web-1", "db-22"], &["web-", "db-2x", "-1"]);
        assert_found("a.*z", &["az", "abcz", "xaqzx"], &["za"]);
        assert_found("^a{2,3}$", &["aa", "aaa"], &["a", "aaaa"]);
        assert_found("^(?:ab){2}$", &["abab"], &["ab", "ababab"]);
        assert_found("^x(a|)y$", &["xay", "xy"], &["xaay"]);
        assert_found("(?i)^WEB", &["web", "Web2"], &["aweb"]);
        assert_found("^[^a-c\\d]+$", &["xyz"], &["xa", "x1"]);
        assert_found("^[[:alpha:]_]\\w?$", &["a", "_1"], &["1", "-"]);
        assert_found("a+?b??c", &["ac", "aabc"], &["bc"]);
        assert_found("", &["", "a"], &[]);
        assert_found("a{,2}", &["a{,2}"], &["aa"]);
        assert_found("^(a*)*$", &["", "aaaa"], &["b"]);
        assert_found("é.", &["aéb"], &["é"]);
        assert_found("a^b|c$d", &[], &["ab", "cd"]);
    }

    #[test]
    fn what_go_refuses_is_no_pattern() {
        for text in [
            "[", "(", ")", "a)", "*", "a**", "[z-a]", "a{3,2}", "a{1001}", "\\", "\\q", "(?x)",
            "[a",
        ] {
            assert!(Pattern::parse(text).is_none(), "{text}");
        }
        assert!(Pattern::parse("((a{100}){100}){100}").is_none(), "too many steps");
        assert!(Pattern::parse(&"(".repeat(4000)).is_none());
        assert!(Pattern::parse(&"a".repeat(MAX_PATTERN_BYTES + 1)).is_none());
    }

    #[test]
    fn no_pattern_takes_long() {
        let pattern = Pattern::parse(&format!("^({}){}$", "a?".repeat(100), "a".repeat(100)));
        let begin = std::time::Instant::now();
        assert!(pattern.expect("a pattern").is_in(&"a".repeat(100)));
        assert!(begin.elapsed() < std::time::Duration::from_secs(5));
    }
}
