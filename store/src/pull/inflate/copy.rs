//! Copying a match: from behind in the same buffer, in steps that may go beyond its end.

/// Bytes that are copied at once: so many behind the match are overwritten at most.
pub(super) const STEP: usize = 16;
/// As [`STEP`], for matches that overlap themselves.
const SHORT: usize = 8;

/// Writes `length` bytes at `to`, the same as those `distance` before, themselves included when
/// they overlap. There is room for [`STEP`] more.
#[inline(always)]
pub(super) fn within(buffer: &mut [u8], to: usize, distance: usize, length: usize) {
    let from = to - distance;
    if distance >= STEP {
        piece::<STEP>(buffer, from, to);
        let mut done = STEP;
        while done < length {
            piece::<STEP>(buffer, from + done, to + done);
            done += STEP;
        }
    } else if distance == 1 {
        let byte = buffer[from];
        buffer[to..to + length].fill(byte);
    } else {
        // What a step writes wrongly, the next one writes again.
        for done in (0..length).step_by(distance.min(SHORT)) {
            piece::<SHORT>(buffer, from + done, to + done);
        }
    }
}

#[inline(always)]
fn piece<const SIZE: usize>(buffer: &mut [u8], from: usize, to: usize) {
    let mut bytes = [0; SIZE];
    bytes.copy_from_slice(&buffer[from..from + SIZE]);
    buffer[to..to + SIZE].copy_from_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distance_and_length() {
        for distance in 1..40 {
            for length in 3..=258 {
                let mut buffer: Vec<u8> = (0..40).chain([0xee; 258 + STEP]).collect();
                within(&mut buffer, 40, distance, length);
                let mut expected: Vec<u8> = (0..40).collect();
                for at in 40..40 + length {
                    expected.push(expected[at - distance]);
                }
                assert_eq!(buffer[..40 + length], expected, "{distance} {length}");
            }
        }
    }
}
