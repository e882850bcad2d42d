//! Points in time as clients write them in queries: `1700000000`, `1700000000.5`, RFC 3339, a date,
//! or a duration before now (`90s`, `1h30m`).

use api_spec::filters::Filters;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

/// Reads a point in time.
///
/// # Errors
/// Go's text for something that is no number.
pub(crate) fn parse(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
    if let Some(time) = seconds(text) {
        return Ok(time);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return time.in_tz("UTC").map(|zoned| zoned.timestamp()).map_err(|_| wrong());
    }
    if let Ok(ago) = text.parse::<SignedDuration>() {
        return now.checked_sub(ago).map_err(|_| wrong());
    }
    Err(wrong())
}

/// The point in time that a prune's `until` names.
///
/// # Errors
/// dockerd's text for several of them, or for what is no point in time.
pub(crate) fn until(filters: &Filters) -> Result<Option<Timestamp>, String> {
    let mut values = filters.get("until");
    let Some(text) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("more than one until filter specified".to_owned());
    }
    let wrong = |_| format!("failed to parse value as time or duration: {text:?}");
    parse(text, Timestamp::now()).map(Some).map_err(wrong)
}

/// Seconds since 1970 with at most nine digits behind the point.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok()?;
    let digits_only = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !digits_only || fraction.len() > 9 {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(whole, nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let now = Timestamp::new(1000, 0).unwrap();
        let nanoseconds = |text: &str| parse(text, now).unwrap().as_nanosecond();
        assert_eq!(nanoseconds("5"), 5_000_000_000);
        assert_eq!(nanoseconds("5.25"), 5_250_000_000);
        assert_eq!(nanoseconds("1970-01-01T00:00:07Z"), 7_000_000_000);
        assert_eq!(nanoseconds("1970-01-02"), 86_400_000_000_000);
        assert_eq!(nanoseconds("10m"), 400_000_000_000);
        let error = parse("x", now).unwrap_err();
        assert_eq!(error, "strconv.ParseInt: parsing \"x\": invalid syntax");
    }
}
