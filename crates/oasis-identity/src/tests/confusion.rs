//! Tests that a key never verifies a token of another algorithm, and that the `kid` of a token selects the
//! right keys.

use super::samples::{HEADER, NOW, Pair, SECRET, Sample, at, claims, secret_keys, signed, signed_with, with};
use crate::key::{Key, Name};
use crate::pem::public_key;
use crate::rejection::Rejection;
use crate::verifier::Verifier;

/// The attacker signs with HS256, and uses the public key as the secret.
#[test]
fn a_public_key_is_never_the_secret_of_an_hmac() {
    for sample in Sample::minted() {
        let Some(pem) = &sample.pem else { continue };
        let der: Vec<u8> = match public_key(pem.as_bytes()).unwrap() {
            Verifier::Es256(key) | Verifier::EdDsa(key) => key.as_ref().to_vec(),
            Verifier::Rs256(key) => key.n,
            Verifier::Hs256(_) => panic!("{}", sample.name),
        };
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

/// Other names than `a`.
const STRANGE: [&str; 8] = ["c", "", "A", " a", "../a", "a\0", "' OR 1=1 --", "\u{202e}a"];

#[test]
fn a_kid_selects_its_key_and_an_unknown_kid_is_refused() {
    let [of_file, of_set, without] =
        [Name::File("a".to_owned()), Name::Set(Some("a".to_owned())), Name::Set(None)];
    let pair = Pair::new();
    for name in [of_file, of_set] {
        let keys = with(vec![pair.key(name.clone()), Pair::new().key(Name::File("b".to_owned()))]);
        let verify = |kid: &str| {
            let token =
                pair.signed(&serde_json::json!({"alg": "EdDSA", "kid": kid}).to_string(), &claims(""));
            keys.verify(&token, at(NOW)).map(|viewer| viewer.sub)
        };
        assert!(verify("a").is_ok(), "{name:?}");
        assert_eq!(verify("b"), Err(Rejection::Signature), "{name:?}");
        for unknown in STRANGE.into_iter().chain([&*"x".repeat(5_000)]) {
            assert_eq!(verify(unknown), Err(Rejection::UnknownKid), "{name:?} {unknown}");
        }
    }
    // A key without `kid` is not tried for a token with `kid`.
    let token = pair.signed(r#"{"alg":"EdDSA","kid":"a"}"#, &claims(""));
    let keys = with(vec![pair.key(without)]);
    assert_eq!(keys.verify(&token, at(NOW)).unwrap_err(), Rejection::UnknownKid);
}

#[test]
fn a_token_without_kid_is_tried_with_files_and_with_keys_without_kid() {
    let pair = Pair::new();
    let token = pair.signed(r#"{"alg":"EdDSA"}"#, &claims(""));
    let other = || Pair::new().key(Name::File("other".to_owned()));
    for (name, expected) in [
        (Name::File("a".to_owned()), None),
        (Name::Set(None), None),
        (Name::Set(Some("a".to_owned())), Some(Rejection::Signature)),
        (Name::Set(Some(String::new())), Some(Rejection::Signature)),
    ] {
        let keys = with(vec![other(), pair.key(name.clone())]);
        assert_eq!(keys.verify(&token, at(NOW)).err(), expected, "{name:?}");
    }
    let only_named = with(vec![pair.key(Name::Set(Some("a".to_owned())))]);
    assert_eq!(only_named.verify(&token, at(NOW)).unwrap_err(), Rejection::NoKey);
}

#[test]
fn all_keys_of_one_name_are_tried() {
    let pair = Pair::new();
    let token = pair.signed(r#"{"alg":"EdDSA","kid":"a"}"#, &claims(""));
    let names = || [Name::File("a".to_owned()), Name::Set(Some("a".to_owned()))];
    for (one, two) in names().into_iter().zip(names().into_iter().rev()) {
        let keys = with(vec![Pair::new().key(one), pair.key(two)]);
        assert!(keys.verify(&token, at(NOW)).is_ok());
    }
}

#[test]
fn a_kid_does_not_matter_for_secrets() {
    let rsa = Sample::minted().iter().find(|sample| sample.name.ends_with("RS256")).unwrap().key();
    let keys = with(vec![rsa, Key::secret(SECRET.as_bytes())]);
    // The kid of the RSA key does not make it verify tokens of another algorithm.
    for kid in STRANGE.into_iter().chain(["key-1", &*"x".repeat(5_000)]) {
        let header = serde_json::json!({"alg": "HS256", "kid": kid}).to_string();
        assert!(keys.verify(&signed(&header, &claims("")), at(NOW)).is_ok(), "{kid}");
        let of_another = signed_with(&[1; 32], &header, &claims(""));
        assert_eq!(keys.verify(&of_another, at(NOW)).unwrap_err(), Rejection::Signature, "{kid}");
    }
    // A public key of this name exists, but it has another algorithm.
    let without = with(vec![Sample::minted().iter().map(Sample::key).nth(2).unwrap()]);
    for (alg, expected) in [("ES256", Rejection::NoKey), ("HS256", Rejection::NoKey)] {
        let token = signed(&format!(r#"{{"alg":"{alg}","kid":"key-1"}}"#), &claims(""));
        assert_eq!(without.verify(&token, at(NOW)).unwrap_err(), expected, "{alg}");
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let shown = format!("{:?}", secret_keys(SECRET));
    assert!(shown.contains("[redacted]") && !shown.contains("only-for-tests"), "{shown}");
    assert!(!shown.contains("111, 110"), "the bytes of the secret: {shown}");
}
