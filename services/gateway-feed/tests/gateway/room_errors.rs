//! Tests the errors of requests about rooms. No refused request stores anything.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::client::send;
use crate::database;
use crate::rooms::{SERVICE, call, gateway, line, open_room, refused, token, write};

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_clear_error_and_stores_nothing() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({"owner": "ann"})).await;
    let (ann, bob) = (token("ann", 600), token("bob", 600));
    let post = async |body: Value| write(&gateway, "r", body).await;
    let mut ten: Vec<Value> = (0..10).map(|nth| line(&nth.to_string())).collect();
    ten[3]["level"] = json!("loud");
    for (body, message) in [
        (line(&"x".repeat(9 << 10)), "the message has 9216 bytes"),
        (line("a\0b"), "NUL"),
        (json!({"agentType": "code", "message": "x", "level": "loud"}), "`level`: \"loud\" is not a level"),
        (json!({"agentType": "Code", "message": "x"}), "`agentType`"),
        (json!({"message": "x"}), "`agentType`: it is missing"),
        (json!({"agentType": "code"}), "`message`: it is missing"),
        (json!({"agentType": "code", "message": 7}), "`message`: expected a string"),
        (json!({"agentType": "code", "message": "x", "metadata": 1}), "`metadata`"),
        (json!({"agentType": "code", "message": "x", "color": "red"}), "`color`: unknown field"),
        (json!({"agentType": "code", "message": "x", "timestamp": "now"}), "`timestamp`"),
        (json!([]), "contains no line"),
        (json!(vec![line("x"); 1_001]), "more than 1000 lines in one request"),
        (json!(ten), "line 3: `level`"),
        (json!("x"), "expected a line"),
    ] {
        let answer = post(body.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.error().1.contains(message), "{:?} should contain {message}", answer.error());
    }
    let bearer = format!("Bearer {SERVICE}");
    let raw = async |body: &str, content_type: &str| {
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
        send(gateway.address, "POST", "/api/v1/rooms/r/logs", &headers, body.to_owned()).await
    };
    let surrogate = raw(r#"{"agentType":"code","message":"\ud800"}"#, "application/json").await;
    assert_eq!(refused(&surrogate), (400, "bad_line".to_owned()));
    assert_eq!(raw("{", "application/json").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(raw("[1,", "application/json").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(raw("hello", "text/plain").await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for keys in [&["a", "b"][..], &[""], &["a\tb"], &["é"]] {
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        headers.extend(keys.iter().map(|key| ("idempotency-key", *key)));
        let body = line("x").to_string();
        let answer = send(gateway.address, "POST", "/api/v1/rooms/r/logs", &headers, body).await;
        assert_eq!(refused(&answer), (400, "bad_header".to_owned()), "{keys:?}");
    }
    // Who may write, and where.
    for (path, token, status) in [
        ("/api/v1/rooms/none/logs".to_owned(), SERVICE, 404),
        (format!("/api/v1/rooms/{}/logs", "x".repeat(200)), SERVICE, 404),
        ("/api/v1/rooms/r/logs".to_owned(), &bob, 403),
        ("/api/v1/rooms/r/logs".to_owned(), &ann, 201),
        ("/api/v1/rooms/r/logs".to_owned(), "nonsense", 401),
    ] {
        assert_eq!(call(gateway.address, "POST", &path, token, line("x")).await.status, status, "{path}");
    }
    for (token, body, status) in [
        (SERVICE, json!({"readers": "owner", "owner": null}), 400),
        (SERVICE, json!({"readers": "everyone"}), 400),
        (SERVICE, json!({"color": "red"}), 400),
        (SERVICE, json!({"title": ""}), 400),
        (SERVICE, json!([]), 400),
        (&ann, json!({"owner": "bob"}), 403),
        (&bob, json!({"title": "mine"}), 403),
        (&ann, json!({"title": "ours"}), 200),
    ] {
        assert_eq!(
            call(gateway.address, "PUT", "/api/v1/rooms/r", token, body.clone()).await.status,
            status,
            "{body}"
        );
    }
    let opened = call(gateway.address, "PUT", "/api/v1/rooms/new", &ann, json!({})).await;
    assert_eq!(opened.status, StatusCode::NOT_FOUND, "only a service opens a room");
    let page = call(gateway.address, "GET", "/api/v1/rooms/r/logs", &ann, Value::Null).await.json();
    assert_eq!(page["lines"].as_array().unwrap().len(), 1, "{page}");
    for query in ["?tail=1001", "?tail=x", "?color=red", "?last_event_id=x"] {
        let path = format!("/api/v1/rooms/r/logs{query}");
        let bearer = format!("Bearer {ann}");
        let answer = send(gateway.address, "GET", &path, &[("authorization", &bearer)], "").await;
        assert_eq!(refused(&answer), (400, "bad_parameter".to_owned()), "{query}");
    }
    gateway.stop().await;
}
