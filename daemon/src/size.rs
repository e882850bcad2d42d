//! Numbers of bytes as people write them.

/// A size as people write it (`10m`, `64k`, `1.5g`), in bytes; -1 means none and is 0 here.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("invalid size: '{text}'");
    if text == "-1" {
        return Ok(0);
    }
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).trim_end();
    let unit = lower[digits.len()..].trim().trim_end_matches("ib").trim_end_matches('b');
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong()),
    };
    match digits.parse::<u64>() {
        Ok(number) => number.checked_mul(1 << shift).ok_or_else(wrong),
        Err(_) => {
            let number: f64 = digits.parse().map_err(|_| wrong())?;
            let bytes = number * f64::from(1_u32 << (shift / 2)) * f64::from(1_u32 << (shift / 2));
            // Fractions of a byte and more digits than a double holds do not matter for a limit.
            let is_size = bytes.is_finite() && bytes >= 0.0;
            if is_size { Ok(bytes as u64) } else { Err(wrong()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse("10m").unwrap(), 10 << 20);
        assert_eq!(parse("64KB").unwrap(), 64 << 10);
        assert_eq!(parse("1.5k").unwrap(), 1536);
        assert_eq!(parse("-1").unwrap(), 0);
        assert_eq!(parse("abc").unwrap_err(), "invalid size: 'abc'");
        assert!(parse("").is_err() && parse("1x").is_err());
    }
}
