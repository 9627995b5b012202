//! Tests a program in which another part has given jsonwebtoken other cryptography. A process can do so only
//! once, so this test needs its own process.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use jsonwebtoken::crypto::{CryptoProvider, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use oasis_identity::{BadKeys, BadProvider, Keys, Rules};

static OTHER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    key_utils: KeyUtils::new_unimplemented(),
};

#[test]
fn keys_are_refused_if_the_library_has_other_cryptography() {
    OTHER.install_default().unwrap();
    for _ in 0..2 {
        let error = Keys::new(&[], Rules::default()).unwrap_err();
        assert!(matches!(error, BadKeys::Provider(BadProvider::Another)), "{error:?}");
        assert!(error.to_string().contains("make the keys before"), "{error}");
    }
}
