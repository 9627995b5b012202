//! Tests the minting of tokens.

use serde_json::json;

use super::samples::{NOW, SECRET, at, secret_keys, with};
use crate::claims::Rules;
use crate::keys::Keys;
use crate::mint::{CannotMint, NewToken};
use crate::rejection::Rejection;

fn new(claims: serde_json::Value) -> NewToken {
    let serde_json::Value::Object(claims) = claims else { panic!("{claims}") };
    NewToken {
        sub: "alice".to_owned(),
        jti: "1".to_owned(),
        now: at(NOW),
        exp: at(NOW + 60),
        is_admin: false,
        claims,
    }
}

#[test]
fn a_minted_token_is_valid_and_has_the_claims() {
    let other = "x".repeat(32);
    let keys = secret_keys(&format!("{SECRET},{other}"));
    let token = keys.mint(&new(json!({"oasis.resources": {"project_id": ["p1"]}, "n": 1}))).unwrap();
    let viewer = keys.verify(&token, at(NOW + 89)).unwrap();
    assert_eq!((viewer.sub.as_str(), viewer.jti.as_deref(), viewer.is_admin), ("alice", Some("1"), false));
    assert_eq!((viewer.iat, viewer.exp), (Some(at(NOW)), at(NOW + 60)));
    assert_eq!(viewer.resources.unwrap().get(), r#"{"project_id":["p1"]}"#);
    assert_eq!(keys.verify(&token, at(NOW + 90)).unwrap_err(), Rejection::Expired);
    // The first secret signs.
    assert!(secret_keys(SECRET).verify(&token, at(NOW)).is_ok());
    assert!(secret_keys(&other).verify(&token, at(NOW)).is_err());
    let admin = keys.mint(&NewToken { is_admin: true, ..new(json!({})) }).unwrap();
    assert!(keys.verify(&admin, at(NOW)).unwrap().is_admin);
}

#[test]
fn a_token_that_a_gateway_would_refuse_is_not_minted() {
    let keys = secret_keys(SECRET);
    for (token, expected) in [
        (NewToken { sub: String::new(), ..new(json!({})) }, Rejection::BadClaim("sub")),
        (NewToken { exp: at(NOW - 60), ..new(json!({})) }, Rejection::Expired),
        (new(json!({"nbf": NOW + 60})), Rejection::NotYetValid),
        (new(json!({"oasis.admin": "yes"})), Rejection::BadClaim("oasis.admin")),
        (new(json!({"x": "x".repeat(9_000)})), Rejection::TooLong),
    ] {
        match keys.mint(&token) {
            Err(CannotMint::Refused(rejection)) => assert_eq!(rejection, expected),
            other => panic!("{other:?}"),
        }
    }
    let rules = Rules { issuers: vec!["a".to_owned()], ..Rules::default() };
    let strict = Keys { rules, ..secret_keys(SECRET) };
    assert!(matches!(strict.mint(&new(json!({}))), Err(CannotMint::Refused(Rejection::MissingClaim("iss")))));
    assert!(strict.mint(&new(json!({"iss": "a"}))).is_ok());
    for name in ["sub", "jti", "iat", "exp"] {
        let twice = keys.mint(&new(json!({name: 1})));
        assert!(matches!(&twice, Err(CannotMint::Twice(which)) if which == name), "{twice:?}");
    }
    let without = Keys { signing: None, ..with(Vec::new()) };
    assert!(matches!(without.mint(&new(json!({}))), Err(CannotMint::NoSecret)));
}
