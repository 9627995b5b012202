//! [`Verifier`]: a secret or a public key that verifies signatures, with ring.

use std::fmt;

use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use crate::algorithm::Algorithm;

/// A secret or a public key. It verifies signatures of exactly one algorithm.
pub(crate) enum Verifier {
    /// A secret. ring has prepared its two hash states.
    Hs256(hmac::Key),
    /// An RSA key, as its modulus and its exponent.
    Rs256(RsaPublicKeyComponents<Vec<u8>>),
    /// A point on P-256, uncompressed.
    Es256(UnparsedPublicKey<Vec<u8>>),
    /// An Ed25519 key.
    EdDsa(UnparsedPublicKey<Vec<u8>>),
}

impl Verifier {
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self::Rs256(RsaPublicKeyComponents { n: n.to_vec(), e: e.to_vec() })
    }

    pub(crate) fn p256(point: &[u8]) -> Self {
        Self::Es256(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.to_vec()))
    }

    pub(crate) fn ed25519(key: &[u8]) -> Self {
        Self::EdDsa(UnparsedPublicKey::new(&ED25519, key.to_vec()))
    }

    /// The algorithm of the key.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hs256(_) => Algorithm::Hs256,
            Self::Rs256(_) => Algorithm::Rs256,
            Self::Es256(_) => Algorithm::Es256,
            Self::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    /// Whether this key made the signature of the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(key) => hmac::verify(key, message, signature),
            Self::Rs256(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Self::Es256(key) | Self::EdDsa(key) => key.verify(message, signature),
        }
        .is_ok()
    }
}

/// Shows the algorithm, and no part of the key.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}([redacted])", self.algorithm())
    }
}
