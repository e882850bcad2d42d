//! Lengths of time as Go writes them: `1h30m`, `1.5s`, `300ms`, `-2us`.

/// Units and their nanoseconds.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Nanoseconds. `Err` is Go's text.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (is_negative, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let is_number = |one: char| one.is_ascii_digit() || one == '.';
        let end = rest.find(|one| !is_number(one)).unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().map_err(|_| invalid())?;
        rest = &rest[end..];
        let end = rest.find(is_number).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let unknown = || format!("time: unknown unit {unit:?} in duration {text:?}");
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(unknown)?;
        sum += number * length;
        rest = after;
    }
    if sum >= i64::MAX as f64 {
        return Err(invalid());
    }
    #[expect(clippy::cast_possible_truncation, reason = "below the highest value")]
    let nanoseconds = sum.round() as i64;
    Ok(if is_negative { -nanoseconds } else { nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn as_go_reads_them() {
        assert_eq!(parse("1h30m"), Ok(5_400_000_000_000));
        assert_eq!(parse("1.5s"), Ok(1_500_000_000));
        assert_eq!(parse("-300ms"), Ok(-300_000_000));
        assert_eq!(parse("0"), Ok(0));
        let text = |text| parse(text).unwrap_err();
        assert_eq!(text("1"), "time: missing unit in duration \"1\"");
        assert_eq!(text("1x"), "time: unknown unit \"x\" in duration \"1x\"");
        assert_eq!(text("s"), "time: invalid duration \"s\"");
        assert_eq!(text(""), "time: invalid duration \"\"");
        assert!(parse("99999999999h").is_err());
    }
}
