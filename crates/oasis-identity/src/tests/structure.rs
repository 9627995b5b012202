//! Tests of signatures, of the parts of a token, and of its header.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::samples::{
    HEADER, NOW, SECRET, Sample, at, claims, encoded, secret_keys, signed, signed_with, with,
};
use crate::rejection::Rejection;

#[test]
fn the_signatures_of_the_rfcs_are_valid_and_a_changed_one_is_not() {
    for sample in Sample::vectors() {
        let keys = with(vec![sample.key()]);
        let payload = sample.token.split('.').nth(1).unwrap();
        let expected = URL_SAFE_NO_PAD.decode(payload).unwrap();
        assert_eq!(keys.authenticate(&sample.token, None), Ok(expected), "{}", sample.name);
        let changed = sample.token.replacen(payload, &encoded("x"), 1);
        assert_eq!(keys.authenticate(&changed, None), Err(Rejection::Signature), "{}", sample.name);
        let without = with(Vec::new()).authenticate(&sample.token, None).unwrap_err();
        assert!(matches!(without, Rejection::NoKey | Rejection::UnknownKid), "{}: {without}", sample.name);
    }
}

#[test]
fn tokens_of_other_libraries_are_valid() {
    for sample in Sample::minted() {
        let viewer = with(vec![sample.key()]).verify(&sample.token, at(NOW)).unwrap();
        assert_eq!(
            (viewer.sub.as_str(), viewer.jti.as_deref()),
            ("alice", Some("token-1")),
            "{}",
            sample.name
        );
        assert_eq!((viewer.iat, viewer.exp, viewer.is_admin), (Some(at(NOW)), at(NOW + 3_600), true));
        let resources: serde_json::Value = serde_json::from_str(viewer.resources.unwrap().get()).unwrap();
        assert_eq!(resources, serde_json::json!({"project_id": ["p1"]}));
    }
}

#[test]
fn a_token_has_three_parts_and_at_most_8_kib() {
    let keys = secret_keys(SECRET);
    let good = signed(HEADER, &claims(""));
    let rejection = |token: &str| keys.verify(token, at(NOW)).err();
    assert_eq!(rejection(&good), None);
    let parts: Vec<&str> = good.split('.').collect();
    for bad in ["", "a", "a.b", &parts[..2].join("."), &format!("{good}."), &format!(".{good}"), "....."] {
        assert_eq!(rejection(bad), Some(Rejection::Parts), "{bad}");
    }
    for missing in 0..3 {
        let mut parts = parts.clone();
        parts[missing] = "";
        let expected = if missing == 0 { Rejection::Header } else { Rejection::Signature };
        assert_eq!(rejection(&parts.join(".")), Some(expected), "{missing}");
    }
    // A token may have at most 8,192 bytes.
    let of_length = |length: usize| signed(HEADER, &claims(&format!(r#","x":"{}""#, "x".repeat(length))));
    let longest = (6_000..).map(of_length).find(|token| token.len() >= 8_190).unwrap();
    assert_eq!((longest.len() <= 8_192, rejection(&longest)), (true, None));
    assert_eq!(rejection(&of_length(6_200)), Some(Rejection::TooLong));
}

#[test]
fn only_the_canonical_base64url_is_accepted() {
    let keys = secret_keys(SECRET);
    let good = signed(HEADER, &claims(""));
    let (message, signature) = good.rsplit_once('.').unwrap();
    // The last character of the signature encodes 4 bits of the last byte, and 2 bits that must be zero.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let same_bytes = format!("{}{next}", &signature[..signature.len() - 1]);
    for bad in [
        same_bytes,
        format!("{signature}="),
        format!("{signature}=="),
        format!("{signature} "),
        format!("{signature}\n"),
        signature.replacen(&signature[..1], "+", 1),
        format!("{}é", &signature[1..]),
    ] {
        assert_eq!(keys.verify(&format!("{message}.{bad}"), at(NOW)).err(), Some(Rejection::Base64), "{bad}");
    }
    assert_eq!(keys.verify(&format!("{good}A"), at(NOW)).unwrap_err(), Rejection::Signature);
    // These tokens have a valid signature, but the base64url of the header is not canonical.
    for header in
        ["eyJhbGciOiJIUzI1NiJ9=", "eyJhbGciOiJIUzI1NiJ9\n", "eyJhbGciOiJIUzI1NiJ", "e yJhbGciOiJIUzI1NiJ9"]
    {
        let message = format!("{header}.{}", encoded(&claims("")));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
        let rejection = keys.verify(&format!("{message}.{tag}"), at(NOW)).err();
        assert_eq!(rejection, Some(Rejection::Base64), "{header}");
    }
}

#[test]
fn a_header_is_an_object_with_a_known_algorithm_and_without_crit() {
    let rejection = |header: &str| secret_keys(SECRET).verify(&signed(header, &claims("")), at(NOW)).err();
    for none in ["none", "None", "NONE", "nOnE"] {
        assert_eq!(rejection(&format!(r#"{{"alg":"{none}"}}"#)), Some(Rejection::Unsigned), "{none}");
        let unsigned = format!("{}.{}.", encoded(&format!(r#"{{"alg":"{none}"}}"#)), encoded(&claims("")));
        assert_eq!(secret_keys(SECRET).verify(&unsigned, at(NOW)).err(), Some(Rejection::Unsigned));
    }
    for (header, expected) in [
        ("", Rejection::Header),
        ("[]", Rejection::Header),
        ("\"HS256\"", Rejection::Header),
        (r#"{"alg":"HS256"}x"#, Rejection::Header),
        (r#"{"alg":"HS256""#, Rejection::Header),
        ("{}", Rejection::HeaderMember("alg")),
        (r#"{"alg":null}"#, Rejection::HeaderMember("alg")),
        (r#"{"alg":["HS256"]}"#, Rejection::HeaderMember("alg")),
        (r#"{"ALG":"HS256"}"#, Rejection::HeaderMember("alg")),
        (r#"{"alg":""}"#, Rejection::UnknownAlgorithm),
        (r#"{"alg":"hs256"}"#, Rejection::UnknownAlgorithm),
        (r#"{"alg":"HS256 "}"#, Rejection::UnknownAlgorithm),
        (r#"{"alg":"HS512"}"#, Rejection::UnknownAlgorithm),
        (r#"{"alg":"PS256"}"#, Rejection::UnknownAlgorithm),
        (r#"{"alg":"RS256"}"#, Rejection::NoKey),
        (r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, Rejection::Critical),
        (r#"{"alg":"HS256","crit":[]}"#, Rejection::Critical),
        (r#"{"alg":"HS256","crit":null}"#, Rejection::Critical),
        (r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#, Rejection::Critical),
        (r#"{"alg":"HS256","alg":"HS256"}"#, Rejection::DuplicateMember),
        (r#"{"alg":"none","alg":"HS256"}"#, Rejection::DuplicateMember),
        (r#"{"alg":"HS256","\u0061lg":"none"}"#, Rejection::DuplicateMember),
        (r#"{"alg":"HS256","typ":"a","typ":"b"}"#, Rejection::DuplicateMember),
        (r#"{"alg":"HS256","kid":1}"#, Rejection::HeaderMember("kid")),
        (r#"{"alg":"HS256","kid":null}"#, Rejection::HeaderMember("kid")),
    ] {
        assert_eq!(rejection(header), Some(expected), "{header}");
    }
    // Names and values may have escapes. Other members have no effect.
    for good in [
        r#"{"typ":"at+jwt","\u0061lg":"HS25\u0036"}"#,
        r#"{"alg":"HS256","jku":"https://evil.example/","jwk":{"kty":"oct","k":"AA"},"x5c":["AA"]}"#,
    ] {
        assert_eq!(rejection(good), None, "{good}");
    }
}

#[test]
fn every_secret_of_the_list_verifies() {
    let (old, new) = ("o".repeat(32), "n".repeat(32));
    let token = |secret: &str| signed_with(secret.as_bytes(), HEADER, &claims(""));
    let both = secret_keys(&format!("{new},{old}"));
    assert!(both.verify(&token(&old), at(NOW)).is_ok() && both.verify(&token(&new), at(NOW)).is_ok());
    assert_eq!(secret_keys(&new).verify(&token(&old), at(NOW)).unwrap_err(), Rejection::Signature);
}
