//! Patterns of the `reference` filter: `*`, `?`, `[a-z]` and `\`, as Go's `path.Match` reads them.
//! `*` and `?` stop at a slash.

/// True when the whole text fits the pattern. A malformed pattern fits nothing.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    fits(&pattern, &text)
}

/// Whether a pattern is well formed: no escape or class is cut off, and no class is empty.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    let mut rest = pattern.chars();
    while let Some(one) = rest.next() {
        let is_whole = match one {
            '\\' => rest.next().is_some(),
            '[' => class_ends(&mut rest),
            _ => true,
        };
        if !is_whole {
            return false;
        }
    }
    true
}

/// Takes a class to its closing bracket, if it has one and members before it.
fn class_ends(rest: &mut std::str::Chars<'_>) -> bool {
    if rest.as_str().starts_with('^') {
        rest.next();
    }
    let mut is_empty = true;
    loop {
        match rest.next() {
            Some(']') if !is_empty => return true,
            Some('\\') if rest.next().is_some() => {}
            None | Some(']' | '-' | '\\') => return false,
            Some(_) => {}
        }
        if rest.as_str().starts_with('-') {
            rest.next();
            match rest.next() {
                Some('\\') if rest.next().is_some() => {}
                None | Some(']' | '-' | '\\') => return false,
                Some(_) => {}
            }
        }
        is_empty = false;
    }
}

/// Goes back to the last `*` at a mismatch, so that time stays bounded by pattern times text.
fn fits(pattern: &[char], text: &[char]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&'*') {
            star = Some((at, seen));
            at += 1;
            continue;
        }
        if at == pattern.len() && seen == text.len() {
            return true;
        }
        let step = text.get(seen).and_then(|&one| one_fits(&pattern[at..], one));
        match (step, &mut star) {
            (Some(used), _) => {
                at += used;
                seen += 1;
            }
            (None, Some((star_at, star_seen))) => {
                if text.get(*star_seen).is_none_or(|&one| one == '/') {
                    return false;
                }
                *star_seen += 1;
                (at, seen) = (*star_at + 1, *star_seen);
            }
            (None, None) => return false,
        }
    }
}

/// How many characters of the pattern stand for this one character, if they do.
fn one_fits(pattern: &[char], one: char) -> Option<usize> {
    match pattern {
        ['?', ..] => (one != '/').then_some(1),
        ['\\', escaped, ..] => (*escaped == one).then_some(2),
        ['[', class @ ..] => {
            let end = class.iter().skip(1).position(|&c| c == ']')? + 1;
            let (negated, members) = match &class[..end] {
                ['^', members @ ..] => (true, members),
                members => (false, members),
            };
            (in_class(members, one) != negated).then_some(end + 2)
        }
        // An unfinished escape or class is malformed.
        ['\\', ..] | [] => None,
        [literal, ..] => (*literal == one).then_some(1),
    }
}

fn in_class(members: &[char], one: char) -> bool {
    match members {
        [low, '-', high, rest @ ..] => (*low..=*high).contains(&one) || in_class(rest, one),
        [member, rest @ ..] => *member == one || in_class(rest, one),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_pattern, matches};

    #[test]
    fn patterns_are_whole_or_not() {
        for whole in ["", "a*b?", "[a-c]", "[^x]y", "\\[", "[a\\]]", "[\\--x]", "]"] {
            assert!(is_pattern(whole), "{whole}");
        }
        for cut in [
            "[", "[]", "[]a]", "[^]", "[a", "[a-", "[a-]", "[-x]", "\\", "a\\", "[a-\\", "[x[",
            "x[y",
        ] {
            assert!(!is_pattern(cut), "{cut}");
        }
    }

    #[test]
    fn patterns_fit_as_in_go() {
        for (pattern, text) in [
            ("busybox", "busybox"),
            ("busy*", "busybox"),
            ("*box:1*", "busybox:1.35"),
            ("b?sybox", "busybox"),
            ("[a-c]usybox", "busybox"),
            ("[^x]usybox", "busybox"),
            ("*/*", "a/b"),
            ("\\*", "*"),
            ("*", ""),
            ("a*b*c", "aXbXbXc"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("busy", "busybox"),
            ("*", "a/b"),
            ("a?b", "a/b"),
            ("[", "["),
            ("[a", "a"),
            ("\\", "\\"),
            ("", "a"),
            ("a*b", "a/b"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!matches(&"*a".repeat(100), &"a".repeat(99)));
    }
}
