//! Tests that a body with an object that has a key more than once is refused, and that the refusal names the
//! key. Of such an object, one program would read the first value, and another program the last value.

use serde_json::{Value, json};

use crate::client::{Answer, get, post, send};
use crate::rooms::{SERVICE, call, gateway, open_room, token};
use crate::{Gateway, database};

/// Bodies in each of the four forms. `"k":2` is a key that its object has already.
const BODIES: [&str; 7] = [
    r#"{"source":"oasis.events","k":1,"kind":"a","status":"info","k":2}"#,
    r#"{"source":"oasis.events","kind":"a","status":"info","meta":{"b":[{"k":1,"k":2}]}}"#,
    r#"{"service":"s","event":"e","metadata":{"k":{},"x":1,"k":2}}"#,
    r#"{"type":"t","k":1,"\u006b":2}"#,
    r#"{"type":"t","payload":{"cut":"\ud83d","k":1,"k":2}}"#,
    r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","k":1,"k":2}"#,
    r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"k":1,"k":1}}"#,
];

fn check(answer: &Answer, body: &str, start: &str) {
    assert_eq!(answer.status, 400, "{body}: {:?}", answer.body);
    let message = answer.error().1;
    assert_eq!(message, format!("{start}`k`: the key is given more than once"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_refuses_a_repeated_key_in_every_form_and_stores_nothing() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    for path in
        ["/events/ingest", "/api/v1/events/ingest", "/api/v1/oasis/events", "/api/v1/oasis/events/ingest"]
    {
        for body in BODIES {
            check(&post(gateway.address, path, body).await, body, "");
            let array = format!(r#"[{{"type":"t","k":1}},{body}]"#);
            check(&post(gateway.address, path, array).await, body, "event 1: ");
        }
    }
    let attributes = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/b"),
        ("ce-type", "t"),
    ];
    let data = r#"[{"k":1,"k":2}]"#;
    let binary = send(gateway.address, "POST", "/events/ingest", &attributes, data).await;
    check(&binary, data, "`data`: ");
    assert_eq!(get(gateway.address, "/api/v1/oasis/events").await.json(), json!([]));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_streams_refuse_a_repeated_key() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    let cast = json!({"id": "c", "owner": "ann", "spell": "site"});
    assert_eq!(call(gateway.address, "POST", "/api/casts", SERVICE, cast).await.status, 201);
    let bearer = format!("Bearer {SERVICE}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    for (method, path, body, start) in [
        ("PUT", "/api/v1/rooms/r", r#"{"k":1,"k":2}"#, ""),
        ("POST", "/api/v1/rooms/r/logs", r#"{"agentType":"a","message":"m","k":1,"k":2}"#, ""),
        (
            "POST",
            "/api/v1/rooms/r/logs",
            r#"[{"agentType":"a","message":"m","metadata":{"k":1,"k":2}}]"#,
            "line 0: ",
        ),
        ("POST", "/api/v1/events", r#"{"event_type":"error_report","k":1,"k":2}"#, ""),
        ("POST", "/api/v1/events", r#"[{"event_type":"error_report","k":1,"k":2}]"#, "event 0: "),
        ("POST", "/api/casts", r#"{"id":"d","owner":"ann","spell":{"name":"n","k":1,"k":2}}"#, ""),
        ("PATCH", "/api/casts/c", r#"{"status":"running","k":1,"k":2}"#, ""),
    ] {
        check(&send(gateway.address, method, path, &headers, body).await, body, start);
    }
    let cast = call(gateway.address, "GET", "/api/casts/c", &token("ann", 600), Value::Null).await.json();
    assert_eq!(cast["status"], "queued");
    gateway.stop().await;
}
