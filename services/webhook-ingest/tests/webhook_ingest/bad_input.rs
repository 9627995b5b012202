//! Tests of requests that GitHub would not send: each is refused with an error code, and nothing is stored.

use serde_json::{Value, json};

use crate::payloads::{text, variant};
use crate::server::{JSON, SECRET, Server, sign};

#[tokio::test]
async fn only_a_valid_signature_is_accepted() {
    let server = Server::start().await;
    let payload = text("push.branch").as_bytes().to_vec();
    let good = sign(SECRET, &payload);
    // The same JSON, but printed with spaces and line breaks.
    let parsed: Value = serde_json::from_slice(&payload).unwrap();
    let reserialised = serde_json::to_string_pretty(&parsed).unwrap();
    for (what, signature) in [
        ("wrong secret", Some(sign("guess", &payload))),
        ("empty secret", Some(sign("", &payload))),
        ("re-serialised JSON", Some(sign(SECRET, reserialised.as_bytes()))),
        ("missing", None),
        ("empty", Some(String::new())),
        ("truncated", Some(good[..good.len() - 2].to_owned())),
        ("lengthened", Some(format!("{good}00"))),
        ("sha1", Some(good.replace("sha256=", "sha1="))),
        ("no prefix", Some(good.replace("sha256=", ""))),
        ("not hex", Some(format!("sha256={}", "g".repeat(64)))),
    ] {
        let mut headers = vec![("content-type", JSON), ("x-github-event", "push")];
        headers.extend(signature.as_deref().map(|signature| ("x-hub-signature-256", signature)));
        let answer = server.post(&headers, payload.clone()).await;
        assert_eq!(answer.refusal(), (401, "bad_signature"), "{what}");
    }
    let twice = [
        ("content-type", JSON),
        ("x-github-event", "push"),
        ("x-hub-signature-256", good.as_str()),
        ("x-hub-signature-256", good.as_str()),
    ];
    assert_eq!(server.post(&twice, payload.clone()).await.refusal(), (401, "bad_signature"));
    // The older header `X-Hub-Signature` is not accepted.
    let old = [("content-type", JSON), ("x-github-event", "push"), ("x-hub-signature", good.as_str())];
    assert_eq!(server.post(&old, payload.clone()).await.refusal(), (401, "bad_signature"));
    // The signature is checked before the payload and the other headers.
    assert_eq!(server.post(&[], "").await.refusal(), (401, "bad_signature"));
    assert!(server.rows().await.is_empty());
    assert_eq!(server.deliver("push", &payload).await.status, 200, "the valid delivery is accepted");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let server = Server::start().await;
    let latin = [b"{\"ref\":\"refs/heads/caf", &[0xe9][..], b"\"}"].concat();
    let deep = format!("{{\"ref\":\"refs/heads/x\",\"unused\":{}", "[{\"a\":".repeat(200_000));
    let number = variant("push.branch", &[("/ref", json!(7))]);
    let string = variant("pull_request.closed", &[("/pull_request/number", json!("private"))]);
    for (what, event, body) in [
        ("empty", "push", &b""[..]),
        ("broken", "push", b"{\"ref\":"),
        ("two objects", "push", b"{}{}"),
        ("an array", "push", b"[]"),
        ("a string", "push", b"\"push\""),
        ("null", "push", b"null"),
        ("no ref", "push", b"{}"),
        ("deeply nested", "push", deep.as_bytes()),
        ("not UTF-8", "push", &latin),
        ("a number for a string", "push", &number),
        ("a string for a number", "pull_request", &string),
        ("an array for an ignored event", "star", b"[]"),
        ("broken JSON for an ignored event", "star", b"{"),
    ] {
        let answer = server.deliver(event, body).await;
        assert_eq!(answer.refusal(), (400, "bad_payload"), "{what}");
        assert!(!answer.body.to_string().contains("private"), "{what}: {}", answer.body);
    }
    assert!(server.rows().await.is_empty());
}

#[tokio::test]
async fn a_body_above_githubs_limit_is_refused() {
    let server = Server::start().await;
    let body = vec![b' '; 26 << 20];
    assert_eq!(server.deliver("push", &body).await.refusal(), (413, "body_too_large"));

    // The largest body that GitHub sends is accepted.
    let mut largest = text("push.branch").as_bytes().to_vec();
    largest.resize(25 << 20, b' ');
    assert_eq!(server.deliver("push", &largest).await.status, 200);
    assert_eq!(server.rows().await.len(), 1);
}

#[tokio::test]
async fn headers_must_give_a_known_content_type_and_one_event() {
    let server = Server::start().await;
    let payload = text("push.branch").as_bytes();
    for content_type in ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""] {
        let answer = server.deliver_as("push", content_type, payload).await;
        assert_eq!(answer.refusal(), (415, "unsupported_media_type"), "{content_type}");
    }
    let signature = sign(SECRET, payload);
    let signed = ("x-hub-signature-256", signature.as_str());
    let untyped = server.post(&[("x-github-event", "push"), signed], payload).await;
    assert_eq!(untyped.refusal(), (415, "unsupported_media_type"));

    let missing = server.post(&[("content-type", JSON), signed], payload).await;
    assert_eq!(missing.refusal(), (400, "bad_event"));
    let twice = [("content-type", JSON), ("x-github-event", "push"), ("x-github-event", "ping"), signed];
    assert_eq!(server.post(&twice, payload).await.refusal(), (400, "bad_event"));
    for event in ["", "pu sh", "push\"", "pûsh", &"x".repeat(65)] {
        assert_eq!(server.deliver(event, payload).await.refusal(), (400, "bad_event"), "{event}");
    }
    assert!(server.rows().await.is_empty());

    let unlikely =
        [("content-type", JSON), ("x-github-event", "push"), signed, ("x-github-delivery", "a b\"\u{e9}")];
    assert_eq!(server.post(&unlikely, payload).await.status, 200, "an invalid delivery id is not an error");
}
