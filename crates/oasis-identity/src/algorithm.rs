//! [`Algorithm`]: the signature algorithms that a token may use.

use crate::rejection::Rejection;

/// A signature algorithm of tokens. Each key has exactly one algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on the curve P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Parses the `alg` of a header.
    pub(crate) fn parse(name: &str) -> Result<Self, Rejection> {
        match name {
            "HS256" => Ok(Self::Hs256),
            "RS256" => Ok(Self::Rs256),
            "ES256" => Ok(Self::Es256),
            "EdDSA" => Ok(Self::EdDsa),
            none if none.eq_ignore_ascii_case("none") => Err(Rejection::Unsigned),
            _ => Err(Rejection::UnknownAlgorithm),
        }
    }

    /// The name in headers and in keys.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}
