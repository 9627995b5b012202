//! Tests bad requests about resource events. Each gets an error that names what is wrong.

use serde_json::{Value, json};

use crate::client::{get, send};
use crate::resources::{EVENTS, STREAM, status, token, with};
use crate::rooms::{SECRET, SERVICE, call, gateway, refused};
use crate::{Gateway, database};

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_parameter_is_named() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let token = token("ann", Value::Null);
    for (query, message) in [
        ("?resource_type=pod", "parameter `resource_type`: \"pod\" is not a type of resource"),
        ("?resource_type=", "parameter `resource_type`: \"\" is not"),
        ("?resource_type=cluster,project", "parameter `resource_type`: \"cluster,project\" is not"),
        ("?workload_id=", "parameter `workload_id`: \"\" is not the id"),
        ("?workload_id=a,,b", "parameter `workload_id`: \"\" is not the id"),
        ("?project_id=..", "parameter `project_id`: \"..\" is not the id"),
        ("?cluster_id=a%20b", "parameter `cluster_id`: \"a b\" is not the id"),
        ("?cluster_id=a&cluster_id=b", "parameter `cluster_id`"),
        ("?event_types=", "parameter `event_types`: it is empty"),
        ("?event_types=heartbeat", "parameter `event_types`: \"heartbeat\" is not a type of event"),
        ("?since=yesterday", "parameter `since`"),
        ("?workload=a", "parameter `workload`"),
        ("?last_event_id=x", "parameter `last_event_id`"),
    ] {
        let answer = call(gateway.address, "GET", &format!("{STREAM}{query}"), &token, Value::Null).await;
        let (status, (_, text)) = (answer.status, answer.error());
        assert!(status == 400 && text.starts_with(message), "{query}: {status} {text}");
    }
    let many =
        format!("{STREAM}?workload_id={}", (0..51).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    let answer = call(gateway.address, "GET", &many, &token, Value::Null).await;
    assert_eq!(
        (answer.status.as_u16(), answer.error().1.as_str()),
        (400, "parameter `workload_id`: at most 50 values are allowed")
    );
    for path in [EVENTS.to_owned(), format!("{EVENTS}?vtid=nothing"), format!("{EVENTS}?task=a")] {
        let answer = call(gateway.address, "GET", &path, &token, Value::Null).await;
        assert_eq!(answer.status, 400, "{path}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_event_is_named_and_nothing_is_stored() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let good = status("api", "Running");
    let bad = |name: &str, value: Value| with(status("api", "Running"), name, value);
    for (body, code, message) in [
        (json!({}), "bad_event", "`event_type`: it is missing"),
        (bad("status", json!("Sleeping")), "bad_event", "`status`: \"Sleeping\" is not a status"),
        (bad("limits", json!({"cpu": 1})), "bad_event", "`limits`: an event is flat"),
        (bad("timestamp", json!(1_767_323_045_000_i64)), "bad_event", "`timestamp`: expected Unix seconds"),
        (
            json!([good, bad("status", json!("x")), good, 7]),
            "bad_event",
            "event 1: `status`: \"x\" is not a status",
        ),
        (json!([]), "bad_event", "the array contains no event"),
        (json!(vec![good.clone(); 1_001]), "too_many_events", "more than 1000 events in one request"),
        (json!("text"), "bad_event", "expected an event"),
        (json!([good, bad("message", json!("x".repeat(17_000)))]), "bad_event", "event 1: "),
        (bad("message", json!("a\u{0}b")), "bad_event", ""),
    ] {
        let answer = call(gateway.address, "POST", EVENTS, SERVICE, body.clone()).await;
        let (found, text) = answer.error();
        let shown: String = body.to_string().chars().take(90).collect();
        assert!(
            answer.status == 400 && found == code && text.starts_with(message),
            "{shown}: {found} {text}"
        );
    }
    let four =
        call(gateway.address, "POST", EVENTS, SERVICE, json!([good, bad("status", json!("x")), 7])).await;
    assert!(four.error().1.contains("; event 2: expected an event"), "{:?}", four.error());
    let bearer = format!("Bearer {SERVICE}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    let answer = send(gateway.address, "POST", EVENTS, &headers, good.to_string()).await;
    assert_eq!(answer.status, 415);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = send(gateway.address, "POST", EVENTS, &headers, "{\"event_type\":").await;
    assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (400, "bad_event"));
    let client = crate::postgres(&db.url).await;
    let count: i64 = client.query_one("SELECT count(*) FROM oasis_events", &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_users_read_and_only_services_write() {
    let db = database().await;
    let tokens = "all-of-it,ci=limited:github.actions,res=for-resources:resources,logs=for-rooms:rooms";
    let gateway = Gateway::start(&db.url, &["--jwt-secret", SECRET, "--ingest-tokens", tokens]).await;
    let write = async |token: &str| {
        let answer = call(gateway.address, "POST", EVENTS, token, status("api", "Running")).await;
        if answer.status == 201 { (201, String::new()) } else { refused(&answer) }
    };
    assert_eq!(write("all-of-it").await, (201, String::new()));
    assert_eq!(write("for-resources").await, (201, String::new()));
    for token in ["limited", "for-rooms"] {
        assert_eq!(write(token).await, (403, "resources_not_allowed".to_owned()), "{token}");
    }
    assert_eq!(write(&token("ann", Value::Null)).await, (403, "not_a_service".to_owned()));
    assert_eq!(write("wrong").await, (401, "bad_token".to_owned()));
    let read = call(gateway.address, "GET", STREAM, "for-resources", Value::Null).await;
    assert_eq!(refused(&read), (403, "not_a_user".to_owned()));
    assert_eq!(refused(&get(gateway.address, STREAM).await), (401, "token_missing".to_owned()));
    assert_eq!(refused(&get(gateway.address, EVENTS).await), (401, "token_missing".to_owned()));
    gateway.stop().await;
}

/// Anyone with rights to the table can write rows with SQL.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_break_the_rules_of_the_write_api_do_no_harm() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let client = crate::postgres(&db.url).await;
    let reader = crate::resources::Reader::open(&gateway, "", &token("ann", Value::Null), None).await;
    let mut reader = reader.unchecked();
    let long = "x".repeat(8_000);
    for (kind, meta) in [
        ("unknown_kind", json!({"a": 1})),
        (
            "cluster_status_update",
            json!({"cluster_id": {"a": 1}, "list": [1], "event_type": "x", "timestamp": "y"}),
        ),
        ("cluster_status_update", json!({"workload_id": long, "project_id": 7, "cluster_id": "../"})),
        ("build_failed", json!({"workload_id": "w"})),
    ] {
        crate::room_servers::insert_row(&client, "resources", kind, &meta.to_string()).await;
    }
    assert_eq!(reader.next().await.data.as_object().unwrap().len(), 2);
    assert_eq!(reader.next().await.data["project_id"], 7);
    assert_eq!(reader.next().await.name, "build_failed");
    gateway.stop().await;
}
