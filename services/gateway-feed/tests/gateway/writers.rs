//! Tests requests in all four forms, as the programs of users send them. Each line of `cases/writers.jsonl`
//! has one request, the expected status of the answer, and the fields that must be stored.

use serde_json::{Map, Value, json};

use crate::client::{get, post, send};
use crate::{Gateway, database};

/// The event with this id, as the query API returns it.
async fn stored(gateway: &Gateway, id: i64) -> Value {
    let page = get(gateway.address, &format!("/api/v1/oasis/events?limit=1&before={}", id + 1)).await.json();
    assert_eq!(page[0]["id"], id);
    page[0].clone()
}

/// Sends one event, and returns it as it is stored.
async fn sent(gateway: &Gateway, event: &Value, status: u16) -> Value {
    let answer = post(gateway.address, "/events/ingest", event.to_string()).await;
    assert_eq!(answer.status, status, "{event}: {:?}", answer.body);
    let answer = answer.json();
    let id = answer["id"].as_i64().unwrap();
    assert_eq!(answer["event_id"], id.to_string());
    let event = stored(gateway, id).await;
    assert_eq!(answer["ts"], event["ts"]);
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn every_writer_gets_the_status_that_it_expects_and_its_fields_are_stored() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let cases = include_str!("cases/writers.jsonl").lines();
    for case in cases.map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let name = case["name"].as_str().unwrap();
        let headers: Vec<(&str, &str)> = case["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let text = |field: &str| case[field].as_str().unwrap();
        let body = case["body"].to_string();
        let answer = send(gateway.address, text("method"), text("path"), &headers, body).await;
        assert_eq!(
            u64::from(answer.status.as_u16()),
            case["status"].as_u64().unwrap(),
            "{name}: {:?}",
            answer.body
        );
        let event = stored(&gateway, answer.json()["id"].as_i64().unwrap()).await;
        for (field, wanted) in case["stored"].as_object().unwrap() {
            let value = match field.strip_prefix("meta.") {
                Some(entry) => &event["meta"][entry],
                None => &event[field],
            };
            assert_eq!(value, wanted, "{name}: {field} of {event}");
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_value_in_a_lenient_form_is_kept_in_meta() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let event = json!({
        "service": "Worker 7", "event": "Skill Invoked!", "status": "maybe", "timestamp": "yesterday",
        "metadata": {"vtid": "a sentence", "link": "/relative", "message": "x".repeat(20_000), "z": "\0"},
        "colour": "red", "vtid": null
    });
    let stored = sent(&gateway, &event, 200).await;
    assert_eq!(
        [&stored["module"], &stored["kind"], &stored["status"], &stored["vtid"], &stored["link"]],
        [&json!("WORKER-7"), &json!("skill_invoked_"), &json!("info"), &json!("UNSET"), &Value::Null]
    );
    let meta = &stored["meta"];
    for (entry, kept) in [
        ("module_given", "Worker 7"),
        ("kind_given", "Skill Invoked!"),
        ("status_given", "maybe"),
        ("ts_given", "yesterday"),
        ("vtid_given", "a sentence"),
        ("link_given", "/relative"),
        ("colour", "red"),
        ("z", "\u{fffd}"),
    ] {
        assert_eq!(meta[entry], kept, "{meta}");
    }
    assert_eq!((meta["message"].as_str().unwrap().len(), &meta["truncated"]), (1_024, &json!(true)));

    let event = json!({
        "type": "deploy.done", "vtid": 31, "message": "m", "extra": 1, "link": "https://example.com/x",
        "details": {"odd": {"$serde_json::private::Number": "no number"}},
        "payload": {"message": "inner", "service": "shop", "vtid": "VTID-01260A"}, "data": ["a"],
        "created_at": "2026-01-02T03:04:05Z"
    });
    let stored = sent(&gateway, &event, 200).await;
    assert_eq!(
        [&stored["vtid"], &stored["status"], &stored["module"], &stored["link"], &stored["ts"]],
        ["VTID-01260A", "success", "SHOP", "https://example.com/x", "2026-01-02T03:04:05.000Z"]
    );
    assert_eq!(
        stored["meta"],
        json!({
            "message": "m", "payload.message": "inner", "extra": 1, "data": ["a"], "vtid_given": "31",
            "odd": {"$serde_json::private::Number": "no number"}
        })
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_stored_even_if_its_task_is_not_a_vtid() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    for vtid in ["", "UNKNOWN", "SYSTEM", "N/A", "a sentence", &"x".repeat(300)] {
        let strict = json!({"source": "oasis.events", "kind": "a", "status": "info", "vtid": vtid});
        let full = json!({
            "source": "oasis.events", "kind": "a", "status": "info", "vtid": vtid,
            "meta": {"a": "x".repeat(16_360)}
        });
        let cloud = json!({
            "specversion": "1.0", "id": vtid.to_owned() + "1", "source": "/a", "type": "a",
            "data": {"vtid": vtid}
        });
        for (event, status) in [
            (strict, 201),
            (full, 201),
            (cloud, 201),
            (json!({"service": "s", "event": "e", "metadata": {"vtid": vtid}}), 200),
            (json!({"type": "t", "vtid": vtid}), 200),
        ] {
            let stored = sent(&gateway, &event, status).await;
            assert_eq!(stored["vtid"], "UNSET");
            assert_eq!(stored["meta"]["vtid_given"], vtid[..vtid.len().min(200)], "{stored}");
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_is_answered_with_201_only_if_all_its_events_are_strict_or_cloudevents() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let strict = json!({"source": "oasis.events", "kind": "a", "status": "info"});
    let cloud = json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "a"});
    let telemetry = json!({"type": "t"});
    for (events, status) in [(json!([strict, cloud]), 201), (json!([strict, telemetry]), 200)] {
        let answer = post(gateway.address, "/events/ingest", events.to_string()).await;
        assert_eq!(answer.status, status);
        let members: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["duplicates", "ids", "ok"], "an array has no single id");
    }
    let answer = post(gateway.address, "/events/ingest", r#"{"service":"a"}"#).await;
    assert_eq!(answer.status, 400);
    for form in ["strict", "agents'", "telemetry", "CloudEvents"] {
        assert!(answer.error().1.contains(form), "{:?}", answer.error());
    }
    gateway.stop().await;
}

/// The name, the role and the task of each agent in the list of agents.
async fn agents(gateway: &Gateway) -> Vec<[String; 3]> {
    let list = get(gateway.address, "/api/v1/oasis/agents").await.json();
    let text = |agent: &Value, field: &str| agent[field].as_str().unwrap_or_default().to_owned();
    // The gateway does not know the agents before it has read the table.
    let agents = list.as_array().cloned().unwrap_or_default();
    agents.iter().map(|agent| ["agent", "role", "vtid"].map(|field| text(agent, field))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_in_the_form_of_agents_is_a_ping_and_repeats_are_marked() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let beat = |metadata: Map<String, Value>| {
        let (service, event) = ("oasis-worker", "heartbeat");
        json!({"service": service, "event": event, "status": "info", "metadata": metadata})
    };
    let metadata = |change: Value| change.as_object().unwrap().clone();
    let works =
        beat(metadata(json!({"agent_crew": "crew-a", "agent_role": "PLANNER", "vtid": "DEV-A1-0001"})));
    let first = sent(&gateway, &works, 200).await;
    assert_eq!(
        [&first["source"], &first["kind"], &first["status"], &first["module"]],
        ["agent.ping", "ping", "in_progress", "OASIS-WORKER"]
    );
    assert_eq!(first["meta"]["repeat"], Value::Null);
    // The gateway knows a ping only after its tail has read the ping.
    while agents(&gateway).await.is_empty() {}
    let listed = ["crew-a", "PLANNER", "DEV-A1-0001"].map(str::to_owned);
    assert_eq!(agents(&gateway).await, [listed]);
    assert_eq!(sent(&gateway, &works, 200).await["meta"]["repeat"], true);
    let idle = beat(metadata(json!({"agent_crew": "crew-a", "agent_role": "PLANNER", "vtid": "UNKNOWN"})));
    let idle = sent(&gateway, &idle, 200).await;
    assert_eq!([&idle["vtid"], &idle["status"]], ["IDLE", "info"]);
    assert_eq!((&idle["meta"]["repeat"], &idle["meta"]["vtid_given"]), (&Value::Null, &json!("UNKNOWN")));
    let by_service = sent(&gateway, &beat(metadata(json!({"agent_role": "PLANNER"}))), 200).await;
    assert_eq!(by_service["meta"]["agent"], "oasis-worker");
    let no_agent = sent(&gateway, &beat(Map::new()), 200).await;
    assert_eq!([&no_agent["source"], &no_agent["kind"]], ["oasis.events", "heartbeat"]);
    gateway.stop().await;
}
