//! Tests what the senders of events may send: each token may have sources and dedup keys of its own.

use serde_json::{Value, json};

use crate::agents::until;
use crate::client::{Answer, get, send};
use crate::{Gateway, database};

const TOKENS: &str =
    " all , ci = tokenA : github.actions+agent.ping , ci=tokenB:github.actions,other=tokenC:agent.ping";

async fn sent(gateway: &Gateway, token: &str, body: Value) -> Answer {
    let headers = [("authorization", format!("Bearer {token}"))];
    let headers = [("content-type", "application/json"), (headers[0].0, headers[0].1.as_str())];
    send(gateway.address, "POST", "/events/ingest", &headers, body.to_string()).await
}

fn event(source: &str, key: &str) -> Value {
    json!({"source": source, "kind": "event", "status": "info", "dedup_key": key})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_sources_sends_only_events_of_these_sources() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-tokens", TOKENS]).await;
    for (token, source) in [
        ("all", "gcp.deploy"),
        ("tokenA", "github.actions"),
        ("tokenA", "agent.ping"),
        ("tokenC", "agent.ping"),
    ] {
        let answer = sent(&gateway, token, event(source, source)).await;
        assert_eq!(answer.status, 201, "{token} {source}: {:?}", answer.body);
    }
    let refused = sent(&gateway, "tokenB", event("agent.ping", "x")).await;
    assert_eq!((refused.status.as_u16(), refused.error().0.as_str()), (403, "source_not_allowed"));
    assert!(refused.error().1.contains("agent.ping"), "{:?}", refused.body);
    assert_eq!(refused.json()["error"]["hint"], "this token may send: github.actions");
    // A request is stored as a whole or not at all.
    let both = json!([event("agent.ping", "y"), event("oasis.events", "z")]);
    let refused = sent(&gateway, "tokenC", both).await;
    assert_eq!(refused.status, 403);
    assert!(refused.error().1.starts_with("event 1: "), "{:?}", refused.body);
    for token in ["ci=tokenA", "tokenA:github.actions", "ci", "tokenD"] {
        assert_eq!(sent(&gateway, token, event("oasis.events", "x")).await.error().0, "bad_token", "{token}");
    }
    assert_eq!(get(gateway.address, "/api/v1/oasis/events").await.json().as_array().unwrap().len(), 4);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dedup_keys_of_a_token_with_sources_are_its_own() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-tokens", TOKENS]).await;
    let duplicates = async |token: &str, key: &str| {
        let answer = sent(&gateway, token, event("agent.ping", key)).await;
        answer.json()["duplicates"].as_i64().unwrap_or_else(|| panic!("{token}: {:?}", answer.body))
    };
    // No sender can keep the event of another sender out of the table.
    for token in ["tokenA", "tokenC", "all"] {
        assert_eq!((duplicates(token, "k").await, duplicates(token, "k").await), (0, 1), "{token}");
    }
    // The keys belong to the name, so the token can be rotated.
    let github = |key: &str| event("github.actions", key);
    assert_eq!(sent(&gateway, "tokenA", github("r")).await.json()["duplicates"], 0);
    assert_eq!(sent(&gateway, "tokenB", github("r")).await.json()["duplicates"], 1);
    // CloudEvents have their keys from the event.
    let cloud = json!({"specversion": "1.0", "id": "1", "source": "/ci", "type": "built"});
    assert_eq!(sent(&gateway, "all", cloud.clone()).await.json()["duplicates"], 0);
    assert_eq!(sent(&gateway, "all", cloud).await.json()["duplicates"], 1);
    let long = sent(&gateway, "tokenA", github(&"a".repeat(505))).await;
    assert_eq!((long.status.as_u16(), long.error().0.as_str()), (400, "bad_event"));
    assert!(long.error().1.contains("`dedup_key`"), "{:?}", long.body);
    gateway.stop().await;
}

fn ping(instance: &str, status: &str) -> Value {
    let meta = json!({"agent": "planner", "instance": instance, "interval": 60, "via": "someone"});
    json!({"source": "agent.ping", "kind": "ping", "status": status, "meta": meta})
}

/// A ping with another token is about another agent, so it cannot stop the agent.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_sources_cannot_stop_the_agents_of_another_token() {
    let db = database().await;
    let tokens = format!("{TOKENS},tokenD:agent.ping,tokenE:agent.ping,named=tokenF");
    let gateway = Gateway::start(&db.url, &["--ingest-tokens", &tokens]).await;
    for (token, instance, status) in [
        ("tokenA", "i", "info"),
        ("tokenC", "i", "success"),
        ("tokenC", "ci/i", "success"),
        ("tokenD", "i", "info"),
        ("tokenD", "ci/i", "success"),
        ("tokenF", "whole", "info"),
    ] {
        let answer = sent(&gateway, token, ping(instance, status)).await;
        assert_eq!(answer.status, 201, "{token} {instance}: {:?}", answer.body);
    }
    let repeated = json!({"service": "planner", "event": "heartbeat", "status": "info",
                          "metadata": {"agent_role": "PLANNER"}});
    assert_eq!(sent(&gateway, "tokenA", repeated.clone()).await.status, 200);
    let states = ["stopped", "idle", "idle", "idle", "stopped", "stopped", "idle"];
    let agents = until(gateway.address, &states).await;
    assert_eq!(sent(&gateway, "tokenA", repeated).await.status, 200);
    let found: Vec<_> = agents.iter().map(|agent| (agent["instance"].as_str(), &agent["state"])).collect();
    assert!(found.contains(&(Some("ci/i"), &"idle".into())), "{found:?}");
    let newest = get(gateway.address, "/api/v1/oasis/events?kind=ping").await.json();
    let signed: Vec<_> = newest
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|row| {
            (row["meta"]["via"].as_str(), row["meta"]["instance"].as_str(), row["meta"]["via_given"].as_str())
        })
        .collect();
    assert_eq!(
        signed[..6],
        [
            (Some("ci"), Some("ci/i"), Some("someone")),
            (Some("other"), Some("other/i"), Some("someone")),
            (Some("other"), Some("other/ci/i"), Some("someone")),
            (None, Some("-/i"), Some("someone")),
            (None, Some("-/ci/i"), Some("someone")),
            (Some("named"), Some("whole"), Some("someone")),
        ]
    );
    assert_eq!(newest[0]["meta"]["repeat"], true, "{newest}");
    gateway.stop().await;
}

/// A client cannot get rid of the sender by making the `meta` too large.
#[tokio::test(flavor = "multi_thread")]
async fn a_meta_that_is_too_large_with_the_sender_is_refused_or_cut() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-tokens", TOKENS]).await;
    let mut meta = serde_json::Map::from_iter([("agent".to_owned(), json!("other/i"))]);
    (0..1_363).for_each(|n| drop(meta.insert(format!("k{n:04}"), json!(1))));
    let mut strict = json!({"source": "agent.ping", "kind": "ping", "status": "success", "meta": meta});
    let refused = sent(&gateway, "tokenA", strict.clone()).await;
    assert_eq!((refused.status.as_u16(), refused.error().0.as_str()), (400, "bad_event"));
    assert!(refused.error().1.contains("too large"), "{:?}", refused.body);
    // Without the sender, it fits.
    strict["source"] = "oasis.events".into();
    assert_eq!(sent(&gateway, "all", strict).await.status, 201);
    meta.insert("agent_crew".into(), "planner".into());
    let beat = json!({"service": "planner", "event": "heartbeat", "status": "info", "metadata": meta});
    assert_eq!(sent(&gateway, "tokenC", beat).await.status, 200);
    let newest = &get(gateway.address, "/api/v1/oasis/events?limit=1").await.json()[0]["meta"];
    let instance = newest["instance"].as_str().unwrap();
    assert!(newest["via"] == "other" && newest["truncated"] == true, "{newest}");
    assert!(instance.starts_with("other/planner"), "{instance}");
    gateway.stop().await;
}
