//! The list of differences that may be: `request | kind | place | reason`, `*` standing for anything.

use super::compare::Difference;

/// Every allowance.
#[derive(Debug, Default)]
pub struct Allowances(Vec<Allowance>);

#[derive(Debug)]
struct Allowance {
    request: String,
    /// Words of kinds, separated by commas; `any`.
    kind: String,
    place: String,
}

impl Allowances {
    /// Reads the list; panics at a line without four columns.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let parsed = lines.map(|line| {
            let columns: Vec<_> = line.split(" | ").map(str::trim).collect();
            let [request, kind, place, reason] = columns[..] else {
                panic!("four columns: {line}")
            };
            assert!(reason.len() > 3, "no reason: {line}");
            let owned = str::to_owned;
            Allowance { request: owned(request), kind: owned(kind), place: owned(place) }
        });
        Self(parsed.collect())
    }

    /// Whether a difference in the answers to `request` may be.
    pub fn covers(&self, request: &str, difference: &Difference) -> bool {
        self.0.iter().any(|allowed| {
            let word = difference.kind.word();
            let kind = allowed.kind == "any" || allowed.kind.split(',').any(|kind| kind == word);
            kind && fits(&allowed.request, request) && fits(&allowed.place, &difference.place)
        })
    }
}

/// Whether `text` is what `pattern` stands for.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = pattern.split('*').skip(1).last() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("GET /a", "GET /a") && !fits("GET /a", "GET /ab"));
        assert!(fits("*", "x") && fits("a*c", "abc") && !fits("a*c", "abcd"));
        assert!(fits("* /x*y", "GET /x/z/y") && !fits("GET*", "POST"));
    }
}
