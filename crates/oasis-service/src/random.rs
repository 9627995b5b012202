//! Random numbers that spread events which would otherwise happen at the same moment.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A random number, at least 0 and below 1. It is meant for spreading load; nothing secret may depend on it.
pub fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    // The upper 53 bits, because an f64 holds each of their values exactly.
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_and_stay_within_their_bounds() {
        let numbers: Vec<f64> = (0..1_000).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(numbers.iter().any(|number| *number < 0.5) && numbers.iter().any(|number| *number > 0.5));
    }
}
