//! Tests the requests that open and change casts.

use std::net::SocketAddr;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::casts::{CASTS, change, open, patch, read};
use crate::client::Answer;
use crate::database;
use crate::rooms::{SERVICE, call, call_with, gateway, refused, token};

async fn with_key(address: SocketAddr, key: &str, body: &Value) -> Answer {
    call_with(address, ("POST", CASTS), SERVICE, &[("idempotency-key", key)], body.clone()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_is_opened_once() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    // Without an id, the gateway makes one.
    let body = json!({"owner": "ann", "spell": {"name": "site", "size": 3}});
    let first = open(&gateway, body.clone()).await;
    let second = open(&gateway, body.clone()).await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!((&first["spell"], &first["status"]), (&json!({"name": "site", "size": 3}), &json!("queued")));
    // With a key, a repeated request makes the same cast.
    let one = with_key(gateway.address, "k1", &body).await;
    let two = with_key(gateway.address, "k1", &body).await;
    assert_eq!((one.status, two.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(one.json(), two.json());
    for other in [json!({"owner": "bob"}), json!({"id": "x", "owner": "ann", "spell": "site"})] {
        let reused = with_key(gateway.address, "k1", &other).await;
        assert_eq!(refused(&reused), (409, "key_reused".to_owned()), "{other}");
    }
    let named = json!({"id": "c", "owner": "ann"});
    assert_eq!(with_key(gateway.address, "k2", &named).await.status, StatusCode::CREATED);
    assert_eq!(refused(&with_key(gateway.address, "k3", &named).await), (409, "cast_exists".to_owned()));
    let plain = call(gateway.address, "POST", CASTS, SERVICE, named).await;
    assert_eq!(refused(&plain), (409, "cast_exists".to_owned()));
    // A request without a key can be repeated if it has an id.
    let named = json!({"id": "d", "owner": "ann"});
    open(&gateway, named.clone()).await;
    open(&gateway, named).await;
    let other = call(gateway.address, "POST", CASTS, SERVICE, json!({"id": "d", "owner": "bob"})).await;
    assert_eq!(refused(&other), (409, "cast_exists".to_owned()));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_clear_error_and_stores_nothing() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let ann = token("ann", 600);
    for (body, message) in [
        (json!({}), "`owner`: it is missing"),
        (json!({"owner": ""}), "`owner`: expected a text"),
        (json!({"owner": "ann", "id": "a b"}), "`id`: \"a b\" is not the id of a cast"),
        (json!({"owner": "ann", "id": "events"}), "`id`: this id is reserved"),
        (json!({"owner": "ann", "spell": {"name": "a", "x": "x".repeat(17_000)}}), "meta is too large"),
        (json!({"owner": "ann", "spell": 7}), "`spell`: expected a text"),
        (json!({"owner": "ann", "spell": {}}), "`spell`: expected a text"),
        (json!({"owner": "ann", "costCents": 1.5}), "`costCents`: expected a whole number from 0 to"),
        (json!({"owner": "ann", "repository": "shop"}), "`repository`: expected owner/name"),
        (json!({"owner": "ann", "runId": "x"}), "`runId`: expected the id of a workflow run"),
        (json!({"owner": "ann", "vtid": "nothing at all"}), "`vtid`"),
        (json!({"owner": "ann", "color": "red"}), "`color`: unknown field"),
    ] {
        let answer = call(gateway.address, "POST", CASTS, SERVICE, body.clone()).await;
        assert_eq!(refused(&answer), (400, "bad_cast".to_owned()), "{body}");
        assert!(answer.error().1.starts_with(message), "{:?} should start with {message}", answer.error());
    }
    open(&gateway, json!({"id": "c", "owner": "ann", "runId": 5})).await;
    open(&gateway, json!({"id": "other", "owner": "ann", "runId": "6"})).await;
    change(&gateway, "c", json!({"status": "running"})).await;
    for (body, status, code) in [
        (json!({"status": "sleeping"}), 400, "bad_cast"),
        (json!({"status": "queued"}), 409, "status_goes_back"),
        (json!({"duration": -1}), 400, "bad_cast"),
        (json!({"artifactUrl": "javascript:alert(1)"}), 400, "bad_cast"),
        (json!({"message": "x".repeat(65 << 10)}), 413, "body_too_large"),
        (json!({"message": "x".repeat(9 << 10)}), 400, "bad_cast"),
        (json!({"progress": 101}), 400, "bad_cast"),
        (json!({"progress": "half"}), 400, "bad_cast"),
        (json!({"finishedAt": "now"}), 400, "bad_cast"),
        (json!({"runAttempt": 0}), 400, "bad_cast"),
        (json!({"runAttempt": 2}), 400, "bad_cast"),
        (json!({"runId": 6}), 409, "run_taken"),
        (json!({"runId": 7}), 409, "run_is_set"),
        (json!({"owner": "bob"}), 400, "bad_cast"),
        (json!([]), 400, "bad_json"),
    ] {
        let answer = patch(&gateway, "c", body.clone()).await;
        let shown: String = body.to_string().chars().take(60).collect();
        assert_eq!(refused(&answer), (status, code.to_owned()), "{shown}");
    }
    let user = call(gateway.address, "PATCH", &format!("{CASTS}/c"), &ann, json!({"status": "failed"})).await;
    assert_eq!(refused(&user), (403, "FORBIDDEN".to_owned()));
    assert_eq!(refused(&patch(&gateway, "none", json!({})).await), (404, "NOT_FOUND".to_owned()));
    let put = call(gateway.address, "PUT", &format!("{CASTS}/c"), SERVICE, json!({})).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
    // The first end of an attempt stands. The same end again adds what is missing.
    change(&gateway, "c", json!({"status": "succeeded", "duration": 5})).await;
    let other = patch(&gateway, "c", json!({"status": "failed"})).await;
    assert_eq!(refused(&other), (409, "cast_ended".to_owned()));
    assert_eq!(refused(&patch(&gateway, "c", json!({"progress": 1})).await), (409, "cast_ended".to_owned()));
    let more = json!({"status": "success", "artifactUrl": "https://example.com/x", "progress": 100});
    assert_eq!(change(&gateway, "c", more).await["artifactUrl"], "https://example.com/x");
    for query in ["?events=", "?events=log", "?last_event_id=x", "?color=red"] {
        assert_eq!(refused(&read(&gateway, &format!("/c/events{query}"), &ann).await).0, 400, "{query}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_have_one_winner() {
    let db = database().await;
    let (first, second) = (gateway(&db.url).await, gateway(&db.url).await);
    for round in 0..20 {
        let id = format!("c{round}");
        open(&first, json!({"id": id, "owner": "ann"})).await;
        let (a, b) = tokio::join!(
            patch(&first, &id, json!({"status": "succeeded"})),
            patch(&second, &id, json!({"status": "failed"})),
        );
        let mut statuses = [a.status.as_u16(), b.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }
    // The same holds for two openings with one id.
    for round in 0..20 {
        let body = |owner: &str| json!({"id": format!("d{round}"), "owner": owner});
        let (a, b) = tokio::join!(
            call(first.address, "POST", CASTS, SERVICE, body("ann")),
            call(second.address, "POST", CASTS, SERVICE, body("bob")),
        );
        let mut statuses = [a.status.as_u16(), b.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }
    let client = crate::postgres(&db.url).await;
    let sql = "SELECT count(*) FROM oasis_events WHERE kind IN ('cast.succeeded', 'cast.failed')";
    assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 20);
    first.stop().await;
    second.stop().await;
}
