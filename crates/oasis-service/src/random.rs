//! Random numbers for spreading actions that would otherwise happen at the same moment.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A random number, at least 0 and below 1. Use it to spread load. It is not safe for secrets.
pub fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    // Only the upper 53 bits are used, because an f64 can represent every number of 53 bits exactly.
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_differ_and_are_at_least_0_and_below_1() {
        let numbers: Vec<f64> = (0..1_000).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(numbers.iter().any(|number| *number < 0.5) && numbers.iter().any(|number| *number > 0.5));
    }
}
