//! [`of_jwk`]: reads one key of a JWK set.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::key::{Key, Name};
use crate::members::{Members, text};
use crate::public_key::{self, BadKey};
use crate::verifier::Verifier;

/// Why a key of a set is left out. RFC 7517 (section 5) asks readers to ignore keys that they cannot use. So
/// the other keys of the set still work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Skipped {
    /// The key is not for signatures with a supported algorithm. Many issuers publish such keys.
    #[error("is for another use: its {0} is not for signatures with RS256, ES256 or EdDSA")]
    OtherUse(&'static str),
    /// The key is a secret or a private key. Everyone who reads the set could mint tokens with this key.
    #[error("is secret, so it must not be published: make a new key")]
    Secret,
    /// A member is missing or has a wrong type.
    #[error("has a missing or malformed {0}")]
    Member(&'static str),
    /// The public key is bad.
    #[error(transparent)]
    Bad(#[from] BadKey),
}

/// The members of private keys and of secrets.
const SECRET: [&str; 2] = ["d", "k"];

/// Reads one key.
pub(super) fn of_jwk(jwk: &Members<'_>) -> Result<Key, Skipped> {
    if SECRET.iter().any(|name| jwk.get(name).is_some()) {
        return Err(Skipped::Secret);
    }
    if optional(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(Skipped::OtherUse("use"));
    }
    if let Some(operations) = jwk.get("key_ops") {
        let operations: Vec<String> =
            serde_json::from_str(operations.get()).map_err(|_| Skipped::Member("key_ops"))?;
        if !operations.iter().any(|operation| operation == "verify") {
            return Err(Skipped::OtherUse("key_ops"));
        }
    }
    // The algorithm is checked before the key itself, because a key for another algorithm may have any form.
    let algorithm = optional(jwk, "alg")?;
    if algorithm.as_deref().is_some_and(|name| !["RS256", "ES256", "EdDSA"].contains(&name)) {
        return Err(Skipped::OtherUse("alg"));
    }
    let verifier = public_key(jwk)?;
    if algorithm.is_some_and(|name| name != verifier.algorithm().name()) {
        return Err(Skipped::Member("alg"));
    }
    Ok(Key { name: Name::Set(optional(jwk, "kid")?), verifier })
}

fn public_key(jwk: &Members<'_>) -> Result<Verifier, Skipped> {
    match required(jwk, "kty")?.as_str() {
        "RSA" => {
            let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
            Ok(public_key::rsa(without_zeros(&n), without_zeros(&e))?)
        }
        "EC" if required(jwk, "crv")? == "P-256" => {
            let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
            // The length of each coordinate is checked. Otherwise, two wrong lengths could have the right
            // sum.
            if x.len() != 32 {
                return Err(BadKey::Damaged.into());
            }
            Ok(public_key::p256(&[&[4], x.as_slice(), &y].concat())?)
        }
        "OKP" if required(jwk, "crv")? == "Ed25519" => Ok(public_key::ed25519(&bytes(jwk, "x")?)?),
        "EC" | "OKP" => Err(Skipped::OtherUse("crv")),
        "oct" => Err(Skipped::Secret),
        _ => Err(Skipped::OtherUse("kty")),
    }
}

fn optional(jwk: &Members<'_>, name: &'static str) -> Result<Option<String>, Skipped> {
    let Some(value) = jwk.get(name) else { return Ok(None) };
    let value = text(value).ok_or(Skipped::Member(name))?;
    Ok(Some(value.into_owned()))
}

fn required(jwk: &Members<'_>, name: &'static str) -> Result<String, Skipped> {
    optional(jwk, name)?.ok_or(Skipped::Member(name))
}

fn bytes(jwk: &Members<'_>, name: &'static str) -> Result<Vec<u8>, Skipped> {
    URL_SAFE_NO_PAD.decode(required(jwk, name)?).map_err(|_| Skipped::Member(name))
}

/// Removes leading zeros. Some issuers add a zero before a number whose highest bit is set (RFC 7518, section
/// 6.3.1.1).
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}
