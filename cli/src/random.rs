//! Makes random numbers: from the system for ids, secrets and jitter, and from a seed for the demo.

use anyhow::anyhow;
use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes from the system, for a secret.
///
/// # Errors
/// The system's generator fails.
pub(crate) fn secret<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| anyhow!("the system's random number generator failed"))?;
    Ok(bytes)
}

/// Random bytes for ids and jitter. If the system's generator fails, all bytes are zero.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    secret().unwrap_or([0; N])
}

/// A number in `0.0..1.0` from the system.
pub(crate) fn unit() -> f64 {
    to_unit(u64::from_le_bytes(bytes()))
}

/// A random UUID. GitHub's delivery ids have the same form.
pub(crate) fn guid() -> String {
    let value = u128::from_le_bytes(bytes());
    let versioned = value & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{versioned:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// A sequence of pseudo-random numbers that depends only on its seed (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Seeded(u64);

impl Seeded {
    /// The sequence that `seed` determines.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        to_unit(self.bits())
    }

    /// Returns true with a probability of `percent` percent.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.bits() % 100 < percent
    }

    /// An index below `end`, which must not be zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // The remainder is below `end`, so it fits into a usize.
        (self.bits() % end as u64) as usize
    }
}

/// Turns the upper 53 bits of `bits` into a number in `0.0..1.0`. An f64 represents each of these numbers
/// exactly.
fn to_unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_random_uuids_and_differ() {
        let one = guid();
        let groups: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!(&one[14..15], "4", "{one}");
        assert!(["8", "9", "a", "b"].contains(&&one[19..20]), "{one}");
        assert_ne!(one, guid());
    }

    #[test]
    fn a_seed_determines_its_sequence() {
        let take = |seed| {
            let mut sequence = Seeded::new(seed);
            [sequence.bits(), sequence.bits()]
        };
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
        assert!((0..1_000).all(|seed| (0.0..1.0).contains(&Seeded::new(seed).unit())));
        assert!((0.0..1.0).contains(&unit()));
    }
}
