//! Times of log entries.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Bytes down to the second: `2024-02-03T04:05:06`.
const SECONDS: usize = 19;
/// With the point and nine digits.
const FULL: usize = SECONDS + 10;

/// A moment, and how json-file entries write it: RFC 3339 with up to nine digits of a second (zeros
/// at the end are left out), UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    text: [u8; FULL + 1],
    length: usize,
    /// Since 1970.
    pub(super) nanoseconds: u64,
}

impl Stamp {
    pub(super) fn text(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

/// Makes stamps. The part down to the second is kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: Option<u64>,
    text: [u8; SECONDS],
}

impl Clock {
    pub(super) fn now(&mut self) -> Stamp {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.at(now.as_secs(), now.subsec_nanos())
    }

    pub(super) fn at(&mut self, second: u64, nanoseconds: u32) -> Stamp {
        if self.second != Some(second) {
            let time = i64::try_from(second).ok().and_then(|s| Timestamp::from_second(s).ok());
            let text = time.unwrap_or_default().to_string();
            self.text.copy_from_slice(&text.as_bytes()[..SECONDS]);
            self.second = Some(second);
        }
        let mut text = [b'Z'; FULL + 1];
        text[..SECONDS].copy_from_slice(&self.text);
        let mut length = SECONDS;
        if nanoseconds > 0 {
            text[SECONDS] = b'.';
            let mut rest = nanoseconds;
            for place in text[SECONDS + 1..FULL].iter_mut().rev() {
                *place = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            length = FULL;
            while text[length - 1] == b'0' {
                length -= 1;
            }
            text[length] = b'Z';
        }
        let nanoseconds = second.saturating_mul(1_000_000_000) + u64::from(nanoseconds);
        Stamp { text, length: length + 1, nanoseconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let mut clock = Clock::default();
        let mut text = |second, nanoseconds| {
            String::from_utf8(clock.at(second, nanoseconds).text().to_vec()).unwrap()
        };
        assert_eq!(text(1_706_933_106, 120_000_000), "2024-02-03T04:05:06.12Z");
        assert_eq!(text(1_706_933_106, 5), "2024-02-03T04:05:06.000000005Z");
        assert_eq!(text(1_706_933_107, 0), "2024-02-03T04:05:07Z");
        assert_eq!(clock.at(1, 2).nanoseconds, 1_000_000_002);
    }
}
