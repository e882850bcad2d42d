//! Conversions from the spec's (version 1's) units to version 2's.

/// CPU shares (2 to 262144) to a weight (1 to 10000) so that the two defaults, 1024 and 100, meet:
/// `10^((l² + 125 l) / 612 - 7/34)` with `l = log2(shares)`, the curve of the OCI runtimes since
/// 2025.
pub(super) fn shares_to_weight(shares: u64) -> u64 {
    if shares <= 2 {
        return 1;
    }
    if shares >= 262_144 {
        return 10_000;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 262144")]
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 10000 by the bounds above"
    )]
    let weight = 10_f64.powf(exponent).ceil() as u64;
    weight.clamp(1, 10_000)
}

/// Block I/O weight (10 to 1000) to version 2's (1 to 10000), in a straight line.
pub(super) fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        let pairs = [(0, 1), (2, 1), (1024, 100), (262_144, 10_000), (u64::MAX, 10_000)];
        for (shares, weight) in pairs {
            assert_eq!(shares_to_weight(shares), weight, "{shares}");
        }
        assert!(shares_to_weight(512) < shares_to_weight(1024));
    }

    #[test]
    fn io() {
        assert_eq!([io_weight(10), io_weight(500), io_weight(1000)], [1, 4950, 10_000]);
    }
}
