//! Tests how large an event may be. An event of a lenient form is cut instead of refused.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Answer, get, post, send};
use crate::{Gateway, database};

const LIMIT: usize = 128 << 10;
const LENIENT_LIMIT: usize = 1 << 20;

/// `event` as JSON of exactly `bytes` bytes. The entry `long` of the object `field` fills the remaining
/// space.
fn filled(mut event: Value, field: &str, bytes: usize) -> String {
    event[field]["long"] = "".into();
    event[field]["long"] = "x".repeat(bytes - event.to_string().len()).into();
    event.to_string()
}

fn agents(bytes: usize) -> String {
    filled(
        json!({"service": "s", "event": "e", "notes": "n", "metadata": {"vtid": "DEV-A1-0001"}}),
        "metadata",
        bytes,
    )
}

fn telemetry(bytes: usize) -> String {
    filled(json!({"type": "t.done", "message": "n", "vtid": "DEV-A1-0001", "payload": {}}), "payload", bytes)
}

fn assert_too_large(answer: &Answer, limit: usize) {
    assert_eq!(answer.status, 400, "{:?}", answer.body);
    let message = answer.error().1;
    assert!(message.contains(&format!("too large: the limit is {limit} bytes")), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_event_of_a_lenient_form_is_cut_and_stored() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    for event in [agents(LENIENT_LIMIT), telemetry(LENIENT_LIMIT), agents(LIMIT + 1), telemetry(LIMIT)] {
        let answer = post(gateway.address, "/events/ingest", event).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let stored = &get(gateway.address, "/api/v1/oasis/events?limit=1").await.json()[0];
        assert_eq!((&stored["id"], &stored["vtid"]), (&answer.json()["id"], &json!("DEV-A1-0001")));
        let meta = &stored["meta"];
        assert_eq!((meta["long"].as_str().unwrap().len(), &meta["truncated"]), (1_024, &json!(true)));
        assert!(meta["notes"] == "n" || meta["message"] == "n", "{meta}");
    }
    for event in [agents(LENIENT_LIMIT + 1), telemetry(LENIENT_LIMIT + 1)] {
        assert_too_large(&post(gateway.address, "/events/ingest", event).await, LENIENT_LIMIT);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_event_of_a_form_that_is_not_lenient_is_refused() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let strict = json!({"source": "oasis.events", "kind": "a", "status": "info", "meta": {}});
    let cloud = json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "a", "data": {}});
    for (event, field) in [(strict, "meta"), (cloud, "data")] {
        let answer = post(gateway.address, "/events/ingest", filled(event.clone(), field, LIMIT + 1)).await;
        assert_too_large(&answer, LIMIT);
        let answer = post(gateway.address, "/events/ingest", filled(event, field, LIMIT)).await;
        assert!(answer.error().1.contains("meta is too large"), "{:?}", answer.body);
    }
    for content_type in ["application/json", "text/plain"] {
        let headers = [
            ("content-type", content_type),
            ("ce-specversion", "1.0"),
            ("ce-id", "2"),
            ("ce-source", "/a"),
            ("ce-type", "a"),
        ];
        let data = format!("\"{}\"", "x".repeat(LIMIT - 1));
        assert_too_large(&send(gateway.address, "POST", "/events/ingest", &headers, data).await, LIMIT);
    }
    gateway.stop().await;
}

/// Parsed JSON can need a hundred times the memory of its text. So large events are parsed one at a time.
#[tokio::test(flavor = "multi_thread")]
async fn many_large_events_at_the_same_time_are_all_stored() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let objects = format!(r#"{{"type":"t","list":[{}1]}}"#, r#"{"":0},"#.repeat(30_000));
    let batch = format!("[{}]", [telemetry(LENIENT_LIMIT), objects.clone(), agents(200)].join(","));
    let mut senders = JoinSet::new();
    for body in [objects, batch, agents(LENIENT_LIMIT)].into_iter().cycle().take(12) {
        let address = gateway.address;
        senders.spawn(async move { post(address, "/events/ingest", body).await });
    }
    while let Some(answer) = senders.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
    let stored = get(gateway.address, "/api/v1/oasis/events?limit=100").await.json();
    assert_eq!(stored.as_array().unwrap().len(), 4 * (1 + 3 + 1));
    gateway.stop().await;
}
