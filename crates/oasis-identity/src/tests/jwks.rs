//! Tests of tokens that are verified with the keys of a JWK set, which an HTTP server on this machine
//! publishes.

use std::time::{Duration, Instant};

use serde_json::json;

use super::issuer::Issuer;
use super::samples::{NOW, Pair, SECRET, at, claims, encoded, signed};
use crate::claims::Rules;
use crate::jwks::{JwksUrl, Pace};
use crate::keys::{BadKeys, KeySource, Keys};
use crate::rejection::Rejection;

fn token(pair: &Pair, kid: &str) -> String {
    pair.signed(&json!({"alg": "EdDSA", "kid": kid}).to_string(), &claims(""))
}

async fn identify(keys: &Keys, token: &str) -> Option<Rejection> {
    keys.identify(token, at(NOW)).await.err()
}

/// Waits until a token has this outcome.
async fn becomes(keys: &Keys, token: &str, expected: Option<Rejection>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while identify(keys, token).await != expected {
        assert!(Instant::now() < deadline, "the outcome is still not {expected:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the key of this token is gone. A made-up `kid` causes the requests.
async fn removes(keys: &Keys, of_key: &str) {
    let made_up = token(&Pair::new(), "made-up");
    let deadline = Instant::now() + Duration::from_secs(30);
    while identify(keys, of_key).await.is_none() {
        assert_eq!(identify(keys, &made_up).await, UNKNOWN);
        assert!(Instant::now() < deadline, "the key is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(keys.verify(of_key, at(NOW)).err(), UNKNOWN);
}

const UNKNOWN: Option<Rejection> = Some(Rejection::UnknownKid);

#[tokio::test]
async fn a_rotated_key_is_found_and_a_removed_key_is_refused() {
    let [old, new] = [Pair::new(), Pair::new()];
    let issuer = Issuer::with(&[old.jwk("old")]).await;
    let keys = issuer.keys();
    // The first token waits for the first request.
    assert_eq!(identify(&keys, &token(&old, "old")).await, None);
    assert!(issuer.last_head().starts_with("GET /certs?realm=oasis HTTP/1.1\r\n"), "{}", issuer.last_head());
    // Both keys are published for a while, so tokens of both keys are accepted.
    issuer.publish(&[new.jwk("new"), old.jwk("old")]);
    becomes(&keys, &token(&new, "new"), None).await;
    assert_eq!(identify(&keys, &token(&old, "old")).await, None);
    issuer.publish(&[new.jwk("new")]);
    removes(&keys, &token(&old, "old")).await;
    assert_eq!(identify(&keys, &token(&new, "new")).await, None);
}

#[tokio::test]
async fn a_flood_of_kids_reaches_the_issuer_once() {
    let pair = Pair::new();
    let issuer = Issuer::with(&[pair.jwk("a")]).await;
    let url = vec![KeySource::Jwks(issuer.url())];
    let rules = Rules { issuers: vec!["me".into()], audiences: vec!["oasis".into()] };
    let keys = Keys::new(&url, rules).unwrap();
    let good = pair.signed(r#"{"alg":"EdDSA","kid":"a"}"#, &claims(r#","iss":"me","aud":"oasis""#));
    let all = (0..1_000).map(|number| {
        let token = token(&pair, &format!("made-up-{number}"));
        let keys = &keys;
        async move { assert_eq!(identify(keys, &token).await, UNKNOWN) }
    });
    for one in all {
        one.await;
    }
    assert_eq!(identify(&keys, &good).await, None);
    assert_eq!(identify(&keys, &token(&pair, "a")).await, Some(Rejection::MissingClaim("iss")));
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn only_a_well_formed_token_with_an_unknown_kid_reaches_the_issuer() {
    let pair = Pair::new();
    let issuer = Issuer::with(&[pair.jwk("a")]).await;
    let keys = issuer.keys();
    assert_eq!(identify(&keys, &token(&pair, "a")).await, None);
    let payload = encoded(&claims(""));
    for bad in [
        String::new(),
        "a.b.c".to_owned(),
        signed(r#"{"alg":"HS256","kid":"x"}"#, &claims("")),
        format!("{}.{payload}.", encoded(r#"{"alg":"none","kid":"x"}"#)),
        format!("{}.{payload}.AA", encoded(r#"{"alg":"ES512","kid":"x"}"#)),
        format!("{}.{payload}.AA=", encoded(r#"{"alg":"ES256","kid":"x"}"#)),
        format!("{}.{payload}.AA", encoded(r#"{"alg":"ES256"}"#)),
        format!("{}.{payload}.AA", encoded(r#"{"alg":"EdDSA","kid":"a"}"#)),
        format!("{}.{payload}.AA", encoded(r#"{"alg":"RS256","kid":"a"}"#)),
        format!("{}.{payload}.{}", encoded(r#"{"alg":"ES256","kid":"x"}"#), "A".repeat(9_000)),
    ] {
        let outcome = identify(&keys, &bad).await;
        assert!(outcome.is_some() && outcome != UNKNOWN, "{bad}");
    }
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn the_last_keys_stay_while_the_issuer_is_down() {
    let [old, new] = [Pair::new(), Pair::new()];
    let mut issuer = Issuer::with(&[old.jwk("old")]).await;
    let keys = issuer.keys();
    assert_eq!(identify(&keys, &token(&old, "old")).await, None);
    issuer.go_down().await;
    assert_eq!(identify(&keys, &token(&new, "new")).await, UNKNOWN);
    assert_eq!(identify(&keys, &token(&old, "old")).await, None);
    issuer.publish(&[new.jwk("new")]);
    issuer.come_up().await;
    becomes(&keys, &token(&new, "new"), None).await;
    assert_eq!(identify(&keys, &token(&old, "old")).await, UNKNOWN);
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_read_later() {
    let pair = Pair::new();
    let mut issuer = Issuer::with(&[pair.jwk("a")]).await;
    issuer.go_down().await;
    let keys = issuer.keys();
    assert!(!keys.is_empty());
    assert_eq!(identify(&keys, &token(&pair, "a")).await, UNKNOWN);
    issuer.come_up().await;
    becomes(&keys, &token(&pair, "a"), None).await;
}

#[tokio::test]
async fn a_slow_issuer_delays_a_client_up_to_the_limit() {
    let pair = Pair::new();
    let issuer = Issuer::with(&[]).await;
    issuer.hang();
    let limit = Duration::from_millis(300);
    let keys = issuer.keys_at(Pace { fresh: limit * 1_000, apart: limit * 1_000, limit });
    let begin = Instant::now();
    assert_eq!(identify(&keys, &token(&pair, "a")).await, UNKNOWN);
    assert!(begin.elapsed() >= limit, "{:?}", begin.elapsed());
    assert_eq!(identify(&keys, &token(&pair, "a")).await, UNKNOWN);
    assert_eq!(issuer.requests(), 1);
}

/// Publishes a good set, and then an answer that must be refused. The key of the good set stays.
async fn keeps_the_last_keys(what: &str, change: impl Fn(&Issuer, &Pair)) {
    let [old, new] = [Pair::new(), Pair::new()];
    let issuer = Issuer::with(&[old.jwk("old")]).await;
    let keys = issuer.keys();
    assert_eq!(identify(&keys, &token(&old, "old")).await, None, "{what}");
    change(&issuer, &new);
    let before = issuer.requests();
    let deadline = Instant::now() + Duration::from_secs(30);
    // After the second request, the answer to the first one has been refused.
    while issuer.requests() < before + 2 {
        assert_eq!(identify(&keys, &token(&new, "new")).await, UNKNOWN, "{what}");
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(identify(&keys, &token(&old, "old")).await, None, "{what}");
}

#[tokio::test]
async fn an_answer_that_is_not_a_small_set_is_refused_and_the_last_keys_stay() {
    let other = Issuer::with(&[]).await;
    let set = |pair: &Pair| json!({"keys": [pair.jwk("new")]}).to_string();
    keeps_the_last_keys("65 keys", |issuer, new| {
        issuer.publish(&(0..65).map(|_| new.jwk("new")).collect::<Vec<_>>());
    })
    .await;
    keeps_the_last_keys("more than 256 KiB", |issuer, new| {
        let padding = "x".repeat(256 << 10);
        issuer.answer("200 OK", "", &json!({"keys": [new.jwk("new")], "x": padding}).to_string());
    })
    .await;
    keeps_the_last_keys("an endless answer", |issuer, new| {
        let headers = "transfer-encoding: chunked\r\nx: ";
        issuer.answer("200 OK", headers, &format!("100000\r\n{}{}", set(new), "x".repeat(1 << 20)));
    })
    .await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
        keeps_the_last_keys(status, |issuer, new| {
            other.publish(&[new.jwk("new")]);
            let location = format!("location: {}\r\n", other.url());
            issuer.answer(status, &location, &set(new));
        })
        .await;
    }
    assert_eq!(other.requests(), 0);
    for status in ["404 Not Found", "500 Internal Server Error", "204 No Content", "201 Created"] {
        keeps_the_last_keys(status, |issuer, new| issuer.answer(status, "", &set(new))).await;
    }
    keeps_the_last_keys("two members of one name", |issuer, new| {
        let twice = set(new).replacen('{', r#"{"keys":[],"#, 1);
        issuer.answer("200 OK", "", &twice);
    })
    .await;
    for body in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":["a"]}"#, "{\"keys\":[]}\u{0}"] {
        keeps_the_last_keys(body, |issuer, _| issuer.answer("200 OK", "", body)).await;
    }
}

#[tokio::test]
async fn an_empty_set_removes_all_keys() {
    let pair = Pair::new();
    let issuer = Issuer::with(&[pair.jwk("a")]).await;
    let keys = issuer.keys();
    assert_eq!(identify(&keys, &token(&pair, "a")).await, None);
    issuer.publish(&[]);
    removes(&keys, &token(&pair, "a")).await;
}

#[tokio::test]
async fn a_set_needs_issuers_and_audiences() {
    let url: JwksUrl = "https://issuer.example/jwks.json".parse().unwrap();
    for (issuers, audiences) in [(&[][..], &["a"][..]), (&["a"], &[]), (&[], &[])] {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let rules = Rules { issuers: texts(issuers), audiences: texts(audiences) };
        let sources = [KeySource::Secrets(SECRET.parse().unwrap()), KeySource::Jwks(url.clone())];
        let error = Keys::new(&sources, rules).unwrap_err();
        assert!(matches!(error, BadKeys::Unbound), "{error}");
        assert!(error.to_string().starts_with("JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE"), "{error}");
    }
}
