//! Times for people, and what people write for times.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How long ago, in one unit: `About an hour`, `3 weeks`.
pub(crate) fn human(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let minutes = seconds / 60;
    let hours = (seconds as f64 / 3600.0 + 0.5) as i64;
    match () {
        () if seconds < 1 => "Less than a second".into(),
        () if seconds == 1 => "1 second".into(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".into(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".into(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", hours / 24 / 365),
    }
}

/// `human` of a Unix time, with `ago`.
pub(crate) fn ago(unix_seconds: i64) -> String {
    let then = Timestamp::from_second(unix_seconds).unwrap_or_default();
    format!("{} ago", human(Timestamp::now().duration_since(then)))
}

/// `2026-11-22 13:08:40 +0000 UTC` in the local time zone.
pub(crate) fn local(unix_seconds: i64) -> String {
    let time = Timestamp::from_second(unix_seconds).unwrap_or_default();
    let zoned = time.to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

/// The same of an RFC 3339 time, with its fraction of a second; what is no time stays as it is.
pub(crate) fn local_precise(text: &str) -> String {
    let Ok(time) = text.parse::<Timestamp>() else { return text.to_owned() };
    let zoned = time.to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S%.f %z %Z").to_string()
}

/// `2026-11-22T13:08:42.118036384Z`, nine digits, in the local time zone.
pub(crate) fn precise(unix_nanoseconds: i64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(unix_nanoseconds)).unwrap_or_default();
    let zoned = time.to_zoned(TimeZone::system());
    let zone = match zoned.offset().seconds() {
        0 => "Z".to_owned(),
        _ => zoned.strftime("%:z").to_string(),
    };
    format!("{}{zone}", zoned.strftime("%Y-%m-%dT%H:%M:%S.%9f"))
}

/// A point in time as the API takes it (Unix seconds, perhaps with a fraction): from such a number,
/// from a time (`2013-01-02T13:23:37Z`, or in local time without a zone), from a duration before
/// `now` (`42m`, `1h30m`).
pub(crate) fn parse_point(text: &str, now: Timestamp) -> Option<String> {
    let unix = |time: Timestamp| format!("{}.{:09}", time.as_second(), time.subsec_nanosecond());
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Some(text.to_owned());
    }
    if let Some(nanoseconds) = parse_duration(text) {
        return now.checked_sub(SignedDuration::from_nanos(nanoseconds)).ok().map(unix);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(unix(time));
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    civil.to_zoned(TimeZone::system()).ok().map(|zoned| unix(zoned.timestamp()))
}

/// A duration as Go writes it (`1h30m`, `1.5s`, `300ms`), in nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let nanoseconds = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * nanoseconds;
        rest = after;
    }
    (!text.is_empty() && total <= i64::MAX as f64).then_some(total as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_dockers() {
        let seconds = |count| human(SignedDuration::from_secs(count));
        assert_eq!(seconds(0), "Less than a second");
        assert_eq!(seconds(59), "59 seconds");
        assert_eq!(seconds(60), "About a minute");
        assert_eq!(seconds(3599), "59 minutes");
        assert_eq!(seconds(3600), "About an hour");
        assert_eq!(seconds(3600 * 47), "47 hours");
        assert_eq!(seconds(3600 * 48), "2 days");
        assert_eq!(seconds(3600 * 24 * 14), "2 weeks");
        assert_eq!(seconds(3600 * 24 * 60), "2 months");
        assert_eq!(seconds(3600 * 24 * 365 * 2), "2 years");
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration("1h30m"), Some(5_400_000_000_000));
        assert_eq!(parse_duration("1.5s"), Some(1_500_000_000));
        assert_eq!(parse_duration("300ms"), Some(300_000_000));
        for bad in ["", "5", "5x", "s", "1d"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn points_in_time_become_unix_times() {
        let now = Timestamp::from_second(10_000).unwrap();
        let point = |text| parse_point(text, now);
        assert_eq!(point("42m").as_deref(), Some("7480.000000000"));
        assert_eq!(point("1700000000.5").as_deref(), Some("1700000000.5"));
        assert_eq!(point("1970-01-01T00:01:00.25Z").as_deref(), Some("60.250000000"));
        assert_eq!(point("yesterday"), None);
    }
}
