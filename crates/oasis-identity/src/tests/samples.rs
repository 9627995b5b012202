//! Keys and tokens for the tests.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oasis_core::Ts;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Deserialize;

use crate::claims::Rules;
use crate::header::Header;
use crate::key::{Key, Name};
use crate::keys::{KeySource, Keys};
use crate::pem::public_key;
use crate::rejection::Rejection;
use crate::verifier::Verifier;
use crate::viewer::Viewer;

/// A secret for tests.
pub(super) const SECRET: &str = "only-for-tests-only-for-tests-only-for-tests";
/// The current time in the tests, in seconds. The tokens of other libraries were issued at this time.
pub(super) const NOW: i64 = 1_750_000_000;

/// A token from a file, with the key that verifies the token.
#[derive(Debug, Deserialize)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) token: String,
    pub(super) pem: Option<String>,
    secret: Option<String>,
}

impl Sample {
    /// The examples of the RFCs. None of them has a `sub`, so they test only signatures.
    pub(super) fn vectors() -> Vec<Self> {
        serde_json::from_str(include_str!("../../tests/data/vectors.json")).unwrap()
    }

    /// Tokens that other libraries minted.
    pub(super) fn minted() -> Vec<Self> {
        serde_json::from_str(include_str!("../../tests/data/minted.json")).unwrap()
    }

    pub(super) fn key(&self) -> Key {
        match (&self.pem, &self.secret) {
            (Some(pem), None) => {
                let header = URL_SAFE_NO_PAD.decode(self.token.split('.').next().unwrap()).unwrap();
                let kid = Header::parse(&header).unwrap().kid.map_or_else(String::new, Cow::into_owned);
                Key { name: Name::File(kid), verifier: public_key(pem.as_bytes()).unwrap() }
            }
            (None, Some(secret)) => Key::secret(&URL_SAFE_NO_PAD.decode(secret).unwrap()),
            (pem, secret) => panic!("{}: {pem:?} {secret:?}", self.name),
        }
    }
}

/// A new pair of Ed25519 keys. The private key signs the tokens of a test.
pub(super) struct Pair(Ed25519KeyPair);

impl Pair {
    pub(super) fn new() -> Self {
        let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(private.as_ref()).unwrap())
    }

    /// The public key as a member of a JWK set.
    pub(super) fn jwk(&self, kid: &str) -> serde_json::Value {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        serde_json::json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "alg": "EdDSA", "x": x})
    }

    pub(super) fn key(&self, name: Name) -> Key {
        Key { name, verifier: Verifier::ed25519(self.0.public_key().as_ref()) }
    }

    pub(super) fn signed(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(message.as_bytes())))
    }
}

/// Accepts tokens of these keys, with any issuer and any audience.
pub(super) fn with(keys: Vec<Key>) -> Keys {
    Keys { keys, ..secret_keys(SECRET) }
}

/// Accepts tokens of these comma-separated secrets, with any issuer and any audience.
pub(super) fn secret_keys(list: &str) -> Keys {
    Keys::new(&[KeySource::Secrets(list.parse().unwrap())], Rules::default()).unwrap()
}

pub(super) fn at(seconds: i64) -> Ts {
    Ts::from_unix_seconds(seconds).unwrap()
}

pub(super) fn encoded(part: &str) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// A token with this header and these claims. It is signed with HS256 and [`SECRET`], whatever the header
/// says.
pub(super) fn signed(header: &str, claims: &str) -> String {
    signed_with(SECRET.as_bytes(), header, claims)
}

pub(super) fn signed_with(secret: &[u8], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

pub(super) const HEADER: &str = r#"{"alg":"HS256"}"#;

/// Claims that are valid at [`NOW`], followed by these members.
pub(super) fn claims(more: &str) -> String {
    format!(r#"{{"sub":"alice","exp":{}{more}}}"#, NOW + 3_600)
}

/// Verifies a token with these claims.
pub(super) fn verified(claims: &str) -> Result<Viewer, Rejection> {
    secret_keys(SECRET).verify(&signed(HEADER, claims), at(NOW))
}
