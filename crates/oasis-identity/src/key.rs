//! [`Key`]: a key with its name. The name and the algorithm select the tokens that the key verifies.

use crate::algorithm::Algorithm;
use crate::verifier::Verifier;

/// A key that verifies tokens.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: Name,
    pub(crate) verifier: Verifier,
}

/// How the `kid` of a token selects a key. If several keys have the same name, each of these keys is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// A secret has no name. A secret is tried for each HS256 token, because issuers may use any `kid` for
    /// it.
    Secret,
    /// A key from a file is tried for tokens that have this name as their `kid`, and for tokens without
    /// `kid`.
    File(String),
    /// A key of a JWK set is tried for tokens with the same `kid`. A key without `kid` is tried for tokens
    /// without `kid`.
    Set(Option<String>),
}

/// How well a key matches the header of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// The name does not match, or a secret has another algorithm.
    Other,
    /// The name of a public key matches, but the algorithm does not.
    OnlyName,
    /// The name and the algorithm match, so the key is tried.
    Whole,
}

impl Key {
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self { name: Name::Secret, verifier: Verifier::secret(secret) }
    }

    /// How well the key matches a token with this algorithm and this `kid`. The key decides the algorithm. So
    /// a public key is never used as the secret of an HMAC, even if the header asks for it.
    pub(crate) fn fit(&self, algorithm: Algorithm, kid: Option<&str>) -> Fit {
        let is_named = match &self.name {
            Name::Secret => true,
            Name::File(name) => kid.is_none_or(|kid| kid == name),
            Name::Set(name) => kid == name.as_deref(),
        };
        match (is_named, self.verifier.algorithm() == algorithm) {
            (true, true) => Fit::Whole,
            (true, false) if self.name != Name::Secret => Fit::OnlyName,
            (true | false, _) => Fit::Other,
        }
    }
}
