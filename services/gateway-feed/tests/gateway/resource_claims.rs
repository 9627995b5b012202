//! Tests which resource events a credential may read, and how its right ends.

use oasis_store::Revocation;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::credentials::{api_key, store};
use crate::database;
use crate::resources::{EVENTS, Reader, refusal, status, token, with, write};
use crate::rooms::{call, gateway};

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_limits_what_a_token_reads() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let ann = token("ann", json!({"project_id": ["shop", "blog"]}));
    let nobody = token("eve", json!({"cluster_id": []}));
    let both = token("bob", json!({"cluster_id": ["eu"], "project_id": ["shop"]}));
    for (query, token) in
        [("?project_id=other", &ann), ("?project_id=shop,other", &ann), ("?cluster_id=us", &both)]
    {
        assert_eq!(refusal(&gateway, query, token).await, (403, "outside_the_claim".to_owned()), "{query}");
    }
    for malformed in
        [json!("shop"), json!({"project_id": "shop"}), json!({"project_id": null}), json!({"team": []})]
    {
        let token = token("mal", malformed.clone());
        assert_eq!(refusal(&gateway, "", &token).await, (401, "bad_token".to_owned()), "{malformed}");
    }
    let mut of_ann = Reader::open(&gateway, "", &ann, None).await;
    let mut of_blog = Reader::open(&gateway, "?project_id=blog", &ann, None).await;
    let mut of_both = Reader::open(&gateway, "", &both, None).await;
    let mut of_nobody = Reader::open(&gateway, "", &nobody, None).await;
    let at = |workload: &str, project: &str, cluster: &str| {
        with(with(status(workload, "Running"), "project_id", project), "cluster_id", cluster)
    };
    // An event without an id that the claim limits does not match.
    let cluster = json!({"event_type": "cluster_status_update", "cluster_id": "eu", "status": "healthy"});
    let events = json!([
        status("stray", "Running"),
        cluster,
        at("w1", "shop", "eu"),
        at("w2", "shop", "us"),
        at("w3", "blog", "eu"),
        at("w4", "other", "eu"),
        at("w5", "blog", "us"),
        at("w6", "shop", "eu"),
    ]);
    let last = write(&gateway, events).await;
    assert_eq!(of_ann.workloads(5).await, ["w1", "w2", "w3", "w5", "w6"]);
    assert_eq!(of_blog.workloads(2).await, ["w3", "w5"]);
    assert_eq!(of_both.workloads(2).await, ["w1", "w6"]);
    // The next event of this reader is a heartbeat, whose cursor is past all events.
    let heartbeat = of_nobody.event().await.unwrap();
    assert_eq!((heartbeat.name.as_str(), heartbeat.id), ("heartbeat", None));
    // A resume and a list obey the claim, too.
    let mut again = Reader::open(&gateway, "", &both, Some(0)).await;
    assert_eq!(again.workloads(2).await, ["w1", "w6"]);
    assert!(last > 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_task_are_listed_within_the_claim() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let of_task = |workload: &str, project: &str| {
        let event = with(status(workload, "Running"), "project_id", project);
        with(event, "vtid", "DEV-CICDL-0031")
    };
    let other = with(of_task("w3", "shop"), "vtid", "DEV-CICDL-0032");
    let events = json!([of_task("w1", "shop"), of_task("w2", "blog"), other, status("w4", "Running")]);
    write(&gateway, events).await;
    let list = async |token: &str| {
        let path = format!("{EVENTS}?vtid=dev-cicdl-0031");
        let answer: Answer = call(gateway.address, "GET", &path, token, Value::Null).await;
        let events = answer.json()["events"].as_array().unwrap().clone();
        assert!(events.iter().all(|event| event["id"].is_number() && event["timestamp"].is_number()));
        let workload = |event: &Value| event["workload_id"].as_str().unwrap().to_owned();
        events.iter().map(workload).collect::<Vec<_>>()
    };
    assert_eq!(list(&token("ann", Value::Null)).await, ["w2", "w1"]);
    assert_eq!(list(&token("bob", json!({"project_id": ["shop"]}))).await, ["w1"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_or_expired_credential_ends_the_stream_with_a_flat_event() {
    let db = database().await;
    let store = store(&db.url);
    let (one, two) = (gateway(&db.url).await, gateway(&db.url).await);
    let token = token("ann", json!({"project_id": ["shop"]}));
    let expiring = api_key(&store, "soon", "bob", Some(3)).await;
    // This stream must open before its credential expires.
    let mut closed = [
        (Reader::open(&one, "", &expiring, None).await, "token_expired"),
        (Reader::open(&one, "", &token, None).await, "revoked"),
        (Reader::open(&two, "?project_id=shop", &token, None).await, "revoked"),
    ];
    let before = oasis_core::Ts::clamped(jiff::Timestamp::now());
    store.revoke(&Revocation::User { sub: "ann".into(), before, until: None }).await.unwrap();
    for (reader, reason) in &mut closed {
        let last = loop {
            let event = reader.event().await.expect("the stream ended without `close`");
            if event.name != "heartbeat" {
                break event;
            }
        };
        assert_eq!((last.name.as_str(), last.data["reason"].as_str()), ("close", Some(*reason)));
        assert!(last.data["message"].is_string());
        assert_eq!(reader.event().await, None);
    }
    assert_eq!(refusal(&one, "", &token).await.0, 401);
    for gateway in [one, two] {
        gateway.stop().await;
    }
}
