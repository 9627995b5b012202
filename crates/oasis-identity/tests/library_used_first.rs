//! Tests a program in which another part uses jsonwebtoken before the keys are made. The library then has no
//! cryptography until the process ends, so this test needs its own process.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::panic;

use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use oasis_identity::{BadKeys, BadProvider, Keys, Rules};

#[test]
fn keys_are_refused_and_nothing_panics_if_the_library_was_used_first() {
    let first = panic::catch_unwind(|| crypto::sign(b"x", &EncodingKey::from_secret(b"x"), Algorithm::HS256));
    assert!(first.is_err(), "the library has cryptography of its own: see the features in Cargo.toml");
    let error = Keys::new(&[], Rules::default()).unwrap_err();
    assert!(matches!(error, BadKeys::Provider(BadProvider::Another)), "{error:?}");
}
