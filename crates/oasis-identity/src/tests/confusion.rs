//! Tests that a token is never verified with a key of another algorithm. If the `kid` of a token names a key,
//! the token is never verified with a key of another name.

use super::samples::{HEADER, NOW, SECRET, Sample, at, claims, secret_keys, signed, signed_with, with};
use crate::algorithm::Algorithm;
use crate::keys::Key;
use crate::pem::public_key;
use crate::rejection::Rejection;

/// The attacker signs with HS256, and uses the public key as the secret.
#[test]
fn a_public_key_is_never_the_secret_of_an_hmac() {
    for sample in Sample::minted() {
        let Some(pem) = &sample.pem else { continue };
        let der: Vec<u8> = public_key(pem.as_bytes()).unwrap().1.try_get_as_bytes().unwrap_or(&[]).to_vec();
        let [trimmed, alg] = [pem.trim(), sample.name.split(' ').next_back().unwrap()];
        for secret in [pem.as_bytes(), trimmed.as_bytes(), &der] {
            let forged = signed_with(secret, HEADER, &claims(""));
            let only_public = with(vec![sample.key()]);
            assert_eq!(
                only_public.verify(&forged, at(NOW)).unwrap_err(),
                Rejection::NoKey,
                "{}",
                sample.name
            );
            let both = with(vec![sample.key(), Key::secret(SECRET.as_bytes())]);
            assert_eq!(both.verify(&forged, at(NOW)).unwrap_err(), Rejection::Signature, "{}", sample.name);
            // The same signature, but the header has the algorithm of the public key.
            let forged = signed_with(secret, &format!(r#"{{"alg":"{alg}"}}"#), &claims(""));
            assert_eq!(both.verify(&forged, at(NOW)).unwrap_err(), Rejection::Signature, "{}", sample.name);
        }
    }
}

#[test]
fn the_header_cannot_choose_another_algorithm_for_a_key() {
    let keys = with(Sample::minted().iter().map(Sample::key).collect());
    for sample in Sample::minted() {
        let (_, rest) = sample.token.split_once('.').unwrap();
        assert!(keys.verify(&sample.token, at(NOW)).is_ok());
        for alg in ["HS256", "RS256", "ES256", "EdDSA", "RS512", "ES384", "none"] {
            let header = super::samples::encoded(&format!(r#"{{"alg":"{alg}","kid":"key-1"}}"#));
            assert!(keys.verify(&format!("{header}.{rest}"), at(NOW)).is_err(), "{} {alg}", sample.name);
        }
    }
}

#[test]
fn a_kid_selects_its_key_and_an_unknown_kid_selects_all_keys() {
    let named = |secret: &str, kid: &str| Key { kid: Some(kid.to_owned()), ..Key::secret(secret.as_bytes()) };
    let other = "other-secret-for-tests-other-secret-for-tests";
    let verify = |keys: Vec<Key>, kid: &str| {
        let header = serde_json::json!({"alg": "HS256", "kid": kid}).to_string();
        with(keys).verify(&signed(&header, &claims("")), at(NOW)).map(|viewer| viewer.sub)
    };
    assert!(verify(vec![named(SECRET, "a"), named(other, "b")], "a").is_ok());
    assert_eq!(verify(vec![named(SECRET, "a"), named(other, "b")], "b"), Err(Rejection::Signature));
    for unknown in ["c", "", "A", " a", "../a", "a\0", &"x".repeat(5_000), "' OR 1=1 --", "\u{202e}a"] {
        assert!(verify(vec![named(SECRET, "a"), named(other, "b")], unknown).is_ok(), "{unknown}");
        assert_eq!(verify(vec![named(other, "b")], unknown), Err(Rejection::Signature), "{unknown}");
    }
    // A kid cannot make a key verify tokens of another algorithm.
    let rsa = Sample::minted().iter().map(Sample::key).find(|key| key.algorithm == Algorithm::Rs256).unwrap();
    let rsa = Key { kid: Some("rsa".to_owned()), ..rsa };
    assert_eq!(verify(vec![rsa, named(SECRET, "a")], "rsa"), Err(Rejection::NoKey));
}

#[test]
fn debug_output_shows_no_secret() {
    let shown = format!("{:?}", secret_keys(SECRET));
    assert!(shown.contains("[redacted]") && !shown.contains("only-for-tests"), "{shown}");
    assert!(!shown.contains("111, 110"), "the bytes of the secret: {shown}");
}
