//! Names of containers: which are allowed, and the ones given to containers that come without.

use rand::Rng;
use rand::seq::IndexedRandom;

/// Names that are tried before digits are put behind them.
pub(super) const PLAIN_TRIES: usize = 6;

const QUALITIES: [&str; 48] = [
    "amber", "ample", "apt", "arctic", "balmy", "blithe", "bold", "brisk", "calm", "candid",
    "cheery", "clever", "cosy", "crisp", "deft", "eager", "fair", "fleet", "fond", "gentle",
    "glad", "golden", "handy", "hardy", "hearty", "humble", "jolly", "keen", "kind", "lively",
    "lucid", "mellow", "merry", "mild", "neat", "nimble", "patient", "plucky", "polite", "proud",
    "quick", "quiet", "sage", "serene", "sunny", "tidy", "vivid", "witty",
];

const PEOPLE: [&str; 48] = [
    "abel",
    "ampere",
    "babbage",
    "bohr",
    "boole",
    "braille",
    "cantor",
    "cauchy",
    "chandra",
    "church",
    "curie",
    "dirac",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fourier",
    "galois",
    "gauss",
    "germain",
    "godel",
    "hamming",
    "hopper",
    "huygens",
    "hypatia",
    "jacobi",
    "kepler",
    "knuth",
    "lagrange",
    "laplace",
    "leibniz",
    "lovelace",
    "maxwell",
    "meitner",
    "mendel",
    "newton",
    "noether",
    "pascal",
    "planck",
    "ramanujan",
    "riemann",
    "ritchie",
    "shannon",
    "tesla",
    "turing",
    "volta",
    "wallis",
    "wu",
];

/// Whether `name` (without its leading slash) may be a container's.
pub(super) fn is_valid(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric();
    let [first, rest @ ..] = name.as_bytes() else { return false };
    letter(*first)
        && !rest.is_empty()
        && rest.iter().all(|byte| letter(*byte) || matches!(byte, b'_' | b'.' | b'-'))
}

/// A name for a container that has none; `attempt` counts how many were taken.
pub(super) fn generate(attempt: usize) -> String {
    let mut random = rand::rng();
    let quality = QUALITIES.choose(&mut random).unwrap_or(&"calm");
    let person = PEOPLE.choose(&mut random).unwrap_or(&"turing");
    match attempt < PLAIN_TRIES {
        true => format!("{quality}_{person}"),
        false => format!("{quality}_{person}{}", random.random_range(0..1_000_000)),
    }
}

/// A new id: 64 hexadecimal digits. Never all digits in its first twelve: those would look like a number as hostname.
pub(super) fn new_id() -> String {
    loop {
        let bytes: [u8; 32] = rand::rng().random();
        let id = hex::encode(bytes);
        if !id.bytes().take(12).all(|byte| byte.is_ascii_digit()) {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_valid("ab") && is_valid("a-b_c.d1"));
        for wrong in ["", "a", "-a", "_a", ".a", "a b", "a/b", "ä1"] {
            assert!(!is_valid(wrong), "{wrong}");
        }
        assert!(is_valid(&generate(0)) && is_valid(&generate(99)));
        assert_eq!(new_id().len(), 64);
    }
}
