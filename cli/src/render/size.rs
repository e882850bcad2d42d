//! Sizes for people, and what people write for sizes.

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// Bytes in powers of 1000 with `digits` significant digits: `4.47MB`.
pub(crate) fn decimal(bytes: i64, digits: usize) -> String {
    scaled(bytes as f64, 1000.0, &DECIMAL, digits)
}

/// Bytes in powers of 1024 with four significant digits: `23.54GiB`.
pub(crate) fn binary(bytes: i64) -> String {
    scaled(bytes as f64, 1024.0, &BINARY, 4)
}

fn scaled(mut size: f64, base: f64, units: &[&str], digits: usize) -> String {
    let mut unit = 0;
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    let whole = (size.abs().max(1.0).log10().floor() as usize) + 1;
    let text = format!("{size:.*}", digits.saturating_sub(whole));
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", units[unit])
}

/// Reads `512`, `512b`, `64k`, `1.5g`, `2GiB`: powers of 1024.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let lower = text.trim().to_ascii_lowercase();
    let number_end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(number_end);
    let number: f64 = number.parse().ok()?;
    let power = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    let bytes = number * 1024_f64.powi(power);
    (bytes.is_finite() && bytes <= i64::MAX as f64).then_some(bytes as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_as_docker_rounds() {
        assert_eq!(decimal(4_467_123, 3), "4.47MB");
        assert_eq!(decimal(4_467_123, 4), "4.467MB");
        assert_eq!(decimal(0, 3), "0B");
        assert_eq!(decimal(1000, 3), "1kB");
        assert_eq!(decimal(77_900_000, 3), "77.9MB");
        assert_eq!(decimal(130_000_000, 3), "130MB");
        assert_eq!(binary(25_276_194_816), "23.54GiB");
        assert_eq!(binary(67_108_864), "64MiB");
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse("64m"), Some(64 << 20));
        assert_eq!(parse("1.5G"), Some(3 << 29));
        assert_eq!(parse("2GiB"), Some(2 << 30));
        assert_eq!(parse("100"), Some(100));
        for bad in ["", "x", "1x", "-1", "9e99", "1..2"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
