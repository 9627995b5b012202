//! Tests the lookups of stored deploys for the deploy-watcher.

use jiff::{SignedDuration, Timestamp};
use oasis_core::{Layer, Meta, Module, Ts};
use oasis_store::{Attribution, RequestLookup};
use tokio::time::Instant;

use crate::{database, new, store};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A stored deploy of the task `task`, `second` seconds after a fixed moment.
fn deploy(task: &str, key: &str, second: i64, operation: Option<&str>) -> oasis_core::NewEvent {
    let mut new = new(task, Some(key));
    new.event.ts = Ts::clamped(at(second));
    new.event.module = Module::from_name("gateway");
    new.event.layer_hint = Layer::parse("INFRA").ok();
    new.meta = Meta::default().with("operation", operation);
    new
}

fn attribution(task: &str, layer: &str) -> Attribution {
    Attribution {
        task: task.parse().unwrap(),
        layer: Layer::parse(layer).unwrap(),
        module: Module::from_name("gateway"),
        vtid_given: None,
    }
}

#[tokio::test]
async fn stored_events_are_found_by_their_dedup_keys() {
    let db = database().await;
    let store = store(&db.url);
    let mut unset = deploy("UNSET", "b", 2, None);
    unset.meta = unset.meta.with("vtid_given", Some("soon"));
    let events = vec![deploy("DEV-CICDL-0031", "a", 1, None), unset, deploy("VTID-0031", "c", 3, None)];
    store.appender().unwrap().append(events, Instant::now()).await.unwrap();
    let found = store.attributions(&["test:a", "test:b", "test:c", "test:d"]).await.unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found["test:a"], (at(1), attribution("DEV-CICDL-0031", "CICDL")));
    let given = Attribution { vtid_given: Some("soon".into()), ..attribution("UNSET", "INFRA") };
    assert_eq!(found["test:b"], (at(2), given));
    assert_eq!(found["test:c"].1, attribution("VTID-0031", "INFRA"));
    assert!(store.attributions(&[]).await.unwrap().is_empty());
}

/// Each lookup finds the newest request of its service and time.
#[tokio::test]
async fn the_newest_request_that_matches_is_found() {
    let db = database().await;
    let store = store(&db.url);
    let events = vec![
        deploy("DEV-CICDL-0001", "gateway:asked:1", 10, None),
        deploy("DEV-CICDL-0002", "gateway:asked:2", 20, None),
        deploy("DEV-CICDL-0003", "gateway:asked:3", 30, Some("op-3")),
        deploy("DEV-CICDL-0004", "gateway:ready:1", 25, None),
        deploy("DEV-CICDL-0005", "gateway:asked", 26, None),
        deploy("DEV-CICDL-0006", "gateway-2:asked:1", 27, None),
    ];
    store.appender().unwrap().append(events, Instant::now()).await.unwrap();
    let lookup = |service: &str, until: i64, with_operation: bool| RequestLookup {
        key_prefix: format!("test:{service}:asked:"),
        from: at(until) - SignedDuration::from_secs(15),
        until: at(until),
        with_operation,
    };
    let lookups = [
        lookup("gateway", 29, false),
        lookup("gateway", 31, true),
        lookup("gateway", 31, false),
        lookup("gateway", 9, true),
        lookup("gateway", 50, true),
        lookup("web", 31, true),
        lookup("gateway", 19, true),
    ];
    let found = store.newest_requests(&lookups).await.unwrap();
    let tasks: Vec<Option<&str>> =
        found.iter().map(|found| found.as_ref().map(|(_, found)| found.task.as_str())).collect();
    let (one, two, three) = (Some("DEV-CICDL-0001"), Some("DEV-CICDL-0002"), Some("DEV-CICDL-0003"));
    assert_eq!(tasks, [two, three, two, None, None, None, one]);
    assert_eq!(found[1], Some((at(30), attribution("DEV-CICDL-0003", "CICDL"))));
    assert!(store.newest_requests(&[]).await.unwrap().is_empty());
}
