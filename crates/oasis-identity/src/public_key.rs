//! Checks public keys when they are read. Otherwise, an operator would notice a bad key only when the first
//! token is refused.

use ring::agreement::{self, ECDH_P256, EphemeralPrivateKey};
use ring::rand::SystemRandom;

use crate::verifier::Verifier;

/// Why a public key cannot be used. The message follows the name of the key, as in `key.pem is damaged`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// The RSA key is too short or too long.
    #[error("has an RSA key of {0} bits: expected 2048 to 8192 bits")]
    RsaBits(usize),
    /// The point of the ECDSA key is not on the curve P-256.
    #[error("has a point that is not on the curve P-256: make a new pair of keys")]
    NotOnCurve,
    /// The Ed25519 key is a point of small order.
    #[error("has a key for which anyone can make signatures: make a new pair of keys")]
    Weak,
    /// The key has a wrong length or a wrong form, or ring cannot use it.
    #[error("is damaged: the key cannot be decoded")]
    Damaged,
}

/// Checks the modulus and the exponent of an RSA key. Both must have no leading zeros.
pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Verifier, BadKey> {
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(2_048..=8_192).contains(&bits) {
        return Err(BadKey::RsaBits(bits));
    }
    // ring accepts odd exponents that are at least 3 and have at most 33 bits.
    let exponent = e.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)));
    let is_usable = |e: u64| e % 2 == 1 && (3..1 << 33).contains(&e);
    if !exponent.is_some_and(is_usable) || n.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(BadKey::Damaged);
    }
    Ok(Verifier::rsa(n, e))
}

/// Checks an uncompressed point on P-256: the byte 4, and two coordinates of 32 bytes.
pub(crate) fn p256(point: &[u8]) -> Result<Verifier, BadKey> {
    match point {
        [4, coordinates @ ..] if coordinates.len() == 64 => {}
        _ => return Err(BadKey::Damaged),
    }
    if is_on_p256(point) { Ok(Verifier::p256(point)) } else { Err(BadKey::NotOnCurve) }
}

/// Whether the point is on P-256. ring has no function for this check alone, but its key agreement checks the
/// point of the other side first.
fn is_on_p256(point: &[u8]) -> bool {
    let Ok(own) = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()) else { return false };
    let point = agreement::UnparsedPublicKey::new(&ECDH_P256, point);
    agreement::agree_ephemeral(own, &point, |_shared| ()).is_ok()
}

/// Checks an Ed25519 key.
pub(crate) fn ed25519(key: &[u8]) -> Result<Verifier, BadKey> {
    if key.len() != 32 {
        return Err(BadKey::Damaged);
    }
    if is_of_small_order(key) { Err(BadKey::Weak) } else { Ok(Verifier::ed25519(key)) }
}

/// Whether an Ed25519 key is one of the points of small order, for which anyone can make signatures. ring
/// accepts these points. The list is from libsodium (`ge25519_has_small_order`). The highest bit is the sign
/// of a coordinate, and does not matter.
fn is_of_small_order(key: &[u8]) -> bool {
    const ENDS: [(u8, u8); 5] = [(0, 0), (1, 0), (0xec, 0x7f), (0xed, 0x7f), (0xee, 0x7f)];
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let [first, middle @ .., last] = key else { return false };
    let last = last & 0x7f;
    // All bytes of these points except the first and the last are the same.
    let filler = if last == 0 { 0 } else { 0xff };
    let is_plain = ENDS.contains(&(*first, last)) && middle.iter().all(|byte| *byte == filler);
    is_plain || ORDER_8.iter().any(|point| point[..31] == key[..key.len() - 1] && point[31] == last)
}
