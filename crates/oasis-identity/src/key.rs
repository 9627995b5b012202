//! [`Key`]: a key with its name, and which tokens are verified with it.

use crate::algorithm::Algorithm;
use crate::verifier::Verifier;

/// A key that verifies tokens.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: Name,
    pub(crate) verifier: Verifier,
}

/// How the `kid` of a token selects a key. Several keys may have the same name. Then each of them is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// A secret has no name. It is tried for each token, because issuers may name their secrets as they like.
    Secret,
    /// The key of a file is tried for tokens that have its name as their `kid`, and for tokens without `kid`.
    File(String),
    /// A key of a JWK set is tried for tokens with the same `kid`. A key without `kid` is tried for tokens
    /// without `kid`.
    Set(Option<String>),
}

/// How well a key fits the header of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// The token names another key.
    Other,
    /// The token names this key, but has another algorithm.
    OnlyName,
    /// The key is tried.
    Whole,
}

impl Key {
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self { name: Name::Secret, verifier: Verifier::secret(secret) }
    }

    /// How well the key fits a token with this algorithm and this `kid`. The key decides the algorithm. A
    /// public key is never used as the secret of an HMAC, whatever the header says.
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
