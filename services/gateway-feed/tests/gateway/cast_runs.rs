//! Tests that workflow runs drive casts: over several gateways, in any order of the deliveries, and although
//! no gateway was running.

use std::time::{Duration, Instant};

use oasis_core::{Channel, DedupKey, Event, Kind, Meta, Module, NewEvent, Source, Status, Task};
use oasis_store::Appender;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::casts::{CASTS, Reader, change, open, read};
use crate::client::pause;
use crate::credentials::store;
use crate::rooms::{SERVICE, call, gateway, token};
use crate::{Gateway, database, insert, postgres};

/// A step of a run, as webhook-ingest stores it.
fn delivery(nth: usize, meta: Value) -> NewEvent {
    let Value::Object(mut meta) = meta else { panic!("expected an object") };
    let more = json!({"repository": "acme/shop", "run_started_at": "2026-01-02T03:04:05Z"});
    meta.extend(more.as_object().cloned().unwrap_or_else(Map::new));
    NewEvent {
        event: Event {
            ts: "2026-01-02T03:05:05Z".parse().unwrap(),
            task: Task::Unset,
            layer_hint: None,
            module: Module::core(),
            source: Source::GithubActions,
            kind: Kind::stored("workflow_run"),
            status: Status::Info,
            link: None,
        },
        channel: Channel::devhub(),
        meta: Meta::new(meta).unwrap(),
        dedup_key: Some(DedupKey::of_digest("github", "workflow_run:", &nth.to_be_bytes()).unwrap()),
    }
}

/// The `meta` of a step of the first attempt of a run.
fn step(run: i64, cast: Option<&str>, status: &str, conclusion: Option<&str>) -> Value {
    json!({"run_id": run, "attempt": 1, "cast": cast, "status": status, "conclusion": conclusion})
}

async fn append(appender: &Appender, events: Vec<NewEvent>) {
    appender.append(events, tokio::time::Instant::now()).await.unwrap();
}

/// Waits until a cast has this status.
async fn until_status(gateway: &Gateway, cast: &str, token: &str, status: &str) -> Value {
    let began = Instant::now();
    loop {
        let found = read(gateway, &format!("/{cast}"), token).await.json();
        if found["status"] == status {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{cast} is not {status}: {found}");
        pause().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_sees_the_run_start_and_end() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let appender = store(&db.url).appender().unwrap();
    let ann = token("ann", 600);
    open(&gateway, json!({"id": "by-id", "owner": "ann", "runId": 7})).await;
    open(&gateway, json!({"id": "by-title", "owner": "ann", "repository": "Acme/Shop"})).await;
    let mut by_id = Reader::open(&gateway, "by-id", &ann, None).await;
    let mut by_title = Reader::open(&gateway, "by-title", &ann, None).await;
    assert_eq!(by_id.next("status").await.data["status"], "queued");
    assert_eq!(by_title.next("status").await.data["status"], "queued");
    append(
        &appender,
        vec![
            delivery(1, step(7, None, "in_progress", None)),
            delivery(2, step(8, Some("by-title"), "in_progress", None)),
        ],
    )
    .await;
    let started = json!("2026-01-02T03:04:05.000Z");
    assert_eq!(
        by_id.next("status").await.data,
        json!({"castId": "by-id", "status": "running", "startedAt": started})
    );
    assert_eq!(by_title.next("status").await.data["status"], "running");
    append(
        &appender,
        vec![
            delivery(3, step(7, None, "completed", Some("success"))),
            delivery(4, step(8, Some("by-title"), "completed", Some("timed_out"))),
        ],
    )
    .await;
    let status = by_id.next("status").await;
    assert_eq!((&status.data["status"], &status.data["duration"]), (&json!("succeeded"), &json!(60_000)));
    by_id.next("complete").await;
    assert_eq!(by_id.closed().await, "terminal_state");
    let why = "the workflow run ended with the conclusion timed_out";
    assert_eq!(by_title.next("status").await.data["errorMessage"], why);
    by_title.next("error").await;
    assert_eq!(read(&gateway, "/by-title", &ann).await.json()["runId"], "8");
    gateway.stop().await;
}

/// A row that has the form of a delivery, but does not come from webhook-ingest, drives no cast. Neither does
/// a delivery whose title names a cast of another repository.
#[tokio::test(flavor = "multi_thread")]
async fn only_signed_deliveries_of_the_repository_count() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let appender = store(&db.url).appender().unwrap();
    let ann = token("ann", 600);
    for (id, repository) in [("forged", "acme/shop"), ("other", "acme/other"), ("good", "acme/shop")] {
        open(&gateway, json!({"id": id, "owner": "ann", "repository": repository})).await;
    }
    let end = |run, cast| step(run, Some(cast), "completed", Some("success"));
    let mut forged = delivery(1, end(1, "forged"));
    forged.dedup_key = Some(DedupKey::new("ingest", "github:workflow_run:1").unwrap());
    append(&appender, vec![forged, delivery(2, end(2, "other")), delivery(3, end(3, "good"))]).await;
    until_status(&gateway, "good", &ann, "succeeded").await;
    for cast in ["forged", "other"] {
        assert_eq!(read(&gateway, &format!("/{cast}"), &ann).await.json()["status"], "queued", "{cast}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_counts_although_it_was_mapped_late_or_no_gateway_was_running() {
    let db = database().await;
    let first = gateway(&db.url).await;
    let appender = store(&db.url).appender().unwrap();
    let ann = token("ann", 600);
    let end = |run: i64| json!({"run_id": run, "status": "completed", "conclusion": "success"});
    append(&appender, vec![delivery(1, end(1)), delivery(2, end(2)), delivery(3, end(3))]).await;
    open(&first, json!({"id": "opened", "owner": "ann", "runId": "1"})).await;
    until_status(&first, "opened", &ann, "succeeded").await;
    open(&first, json!({"id": "changed", "owner": "ann"})).await;
    change(&first, "changed", json!({"runId": "2"})).await;
    until_status(&first, "changed", &ann, "succeeded").await;
    open(&first, json!({"id": "away", "owner": "ann", "runId": "4"})).await;
    open(&first, json!({"id": "by-title", "owner": "ann", "repository": "acme/shop"})).await;
    open(&first, json!({"id": "idle", "owner": "ann", "runId": "9"})).await;
    // The run of this cast starts again later.
    let of_again = |attempt: i64, conclusion: &str| {
        json!({"run_id": 6, "attempt": attempt,
        "status": "completed", "conclusion": conclusion})
    };
    append(&appender, vec![delivery(6, of_again(1, "failure"))]).await;
    open(&first, json!({"id": "again", "owner": "ann", "runId": "6"})).await;
    until_status(&first, "again", &ann, "failed").await;
    first.stop().await;
    append(&appender, vec![delivery(7, of_again(2, "success"))]).await;
    let of_title = json!({"run_id": 5, "cast": "by-title", "status": "completed", "conclusion": "failure"});
    append(&appender, vec![delivery(4, end(4)), delivery(5, of_title)]).await;
    insert(&postgres(&db.url).await, "DEV-CICDL-0031", "info", 5_000).await;
    let second = gateway(&db.url).await;
    until_status(&second, "away", &ann, "succeeded").await;
    until_status(&second, "by-title", &ann, "failed").await;
    let again = until_status(&second, "again", &ann, "succeeded").await;
    assert_eq!((&again["attempt"], &again["errorMessage"]), (&json!(2), &Value::Null));
    assert_eq!(read(&second, "/idle", &ann).await.json()["status"], "queued");
    second.stop().await;
}

/// The deliveries of 100 runs, which arrive in any order, some of them twice, on any of three gateways. Some
/// casts are opened after their runs. A service ends some casts itself.
#[tokio::test(flavor = "multi_thread")]
async fn each_cast_ends_where_its_run_ended() {
    const NUMBER: usize = 100;
    let db = database().await;
    let gateways = [gateway(&db.url).await, gateway(&db.url).await, gateway(&db.url).await];
    let appender = store(&db.url).appender().unwrap();
    // A user may have ten streams open.
    let owner = |nth: usize| format!("user-{}", nth % 10);
    let reader_of = |nth: usize| token(&owner(nth), 600);
    let mut runner = TestRunner::deterministic();
    let conclusion = prop::sample::select(vec!["success", "failure", "cancelled", "action_required"]);
    let run = (conclusion, 1..3_i64, any::<bool>(), 0..10_u8);
    let runs: Vec<_> = (0..NUMBER).map(|_| run.new_tree(&mut runner).unwrap().current()).collect();
    let mut steps = Vec::new();
    for (nth, (conclusion, attempts, by_title, _)) in runs.iter().enumerate() {
        let cast = by_title.then(|| format!("c{nth}"));
        for attempt in 1..=*attempts {
            let last = if attempt == *attempts { *conclusion } else { "failure" };
            for (status, conclusion) in [("queued", None), ("in_progress", None), ("completed", Some(last))] {
                steps.push(delivery(
                    steps.len(),
                    json!({"run_id": nth, "attempt": attempt, "cast": cast,
                    "status": status, "conclusion": conclusion}),
                ));
            }
        }
    }
    let repeated = prop::collection::vec(prop::sample::select(steps.clone()), 1_000 - steps.len());
    let repeated = repeated.new_tree(&mut runner).unwrap().current();
    let deliveries = Just([steps, repeated].concat()).prop_shuffle().new_tree(&mut runner).unwrap().current();
    let open_one = async |nth: usize| {
        let mut body = json!({"id": format!("c{nth}"), "owner": owner(nth)});
        match runs[nth].2 {
            true => body["repository"] = "acme/shop".into(),
            false => body["runId"] = nth.into(),
        }
        open(&gateways[nth % 3], body).await;
    };
    let is_late = |nth: usize| runs[nth].3 < 3;
    for nth in (0..NUMBER).filter(|nth| !is_late(*nth)) {
        open_one(nth).await;
    }
    let mut readers = Vec::new();
    for nth in (0..NUMBER).filter(|nth| !is_late(*nth)).take(20) {
        readers.push(Reader::open(&gateways[(nth + 1) % 3], &format!("c{nth}"), &reader_of(nth), None).await);
    }
    // A service ends these casts before their runs end. They have only one attempt.
    let is_patched = |nth: usize| runs[nth].3 == 9 && runs[nth].1 == 1;
    for nth in (0..NUMBER).filter(|nth| is_patched(*nth)) {
        change(&gateways[0], &format!("c{nth}"), json!({"status": "failed", "errorMessage": "patched"}))
            .await;
    }
    for some in deliveries.chunks(7) {
        append(&appender, some.to_vec()).await;
    }
    for nth in (0..NUMBER).filter(|nth| is_late(*nth)) {
        open_one(nth).await;
    }
    for (nth, (conclusion, attempts, ..)) in runs.iter().enumerate() {
        let expected = match *conclusion {
            _ if is_patched(nth) => "failed",
            "success" => "succeeded",
            "action_required" => "running",
            _ => "failed",
        };
        let cast = format!("c{nth}");
        let began = Instant::now();
        loop {
            let found = read(&gateways[nth % 3], &format!("/{cast}"), &reader_of(nth)).await.json();
            if (&found["status"], &found["attempt"]) == (&json!(expected), &json!(attempts)) {
                assert_eq!(found["runId"], nth.to_string(), "{found}");
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{found}: expected {expected}");
            pause().await;
        }
    }
    // No status goes back on any stream.
    for mut reader in readers {
        let mut last = 0;
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(200), reader.event()).await {
            if event.name == "status" && event.data["finishedAt"].is_null() {
                let rank = match event.data["status"].as_str() {
                    Some("queued") => 0,
                    Some("running") => 1,
                    _ => 2,
                };
                assert!(rank >= last || rank == 0, "{event:?}");
                last = rank;
            }
        }
    }
    let twice = "SELECT count(*) FROM (SELECT FROM oasis_events WHERE starts_with(channel, 'cast:') \
                 GROUP BY channel, kind, meta ->> 'attempt' HAVING count(*) > 1) AS twice";
    let twice: i64 = postgres(&db.url).await.query_one(twice, &[]).await.unwrap().get(0);
    assert_eq!(twice, 0, "each transition is stored once");
    for gateway in gateways {
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_follows_all_casts_in_one_stream() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let (ann, bob) = (token("ann", 600), token("bob", 600));
    open(&gateway, json!({"id": "old", "owner": "ann"})).await;
    change(&gateway, "old", json!({"status": "succeeded"})).await;
    open(&gateway, json!({"id": "a", "owner": "ann"})).await;
    open(&gateway, json!({"id": "bobs", "owner": "bob"})).await;
    let mut anns = Reader::of_user(&gateway, "", &ann, None).await;
    let mut bobs = Reader::of_user(&gateway, "?events=complete", &bob, None).await;
    let status = anns.next("status").await;
    assert_eq!((&status.data["castId"], &status.data["status"]), (&json!("a"), &json!("queued")));
    open(&gateway, json!({"id": "b", "owner": "ann", "costCents": 5})).await;
    let opened = anns.next("status").await;
    assert_eq!((&opened.data["castId"], &opened.data["costCents"]), (&json!("b"), &json!(5)));
    assert!(opened.data.as_object().unwrap().contains_key("artifactUrl"), "the first frame is whole");
    change(&gateway, "bobs", json!({"status": "succeeded"})).await;
    change(&gateway, "a", json!({"status": "running", "progress": 5})).await;
    assert_eq!(bobs.next("complete").await.data["castId"], "bobs");
    assert_eq!(anns.next("progress").await.data["castId"], "a");
    let running = anns.next("status").await;
    assert_eq!((&running.data["castId"], &running.data["status"]), (&json!("a"), &json!("running")));
    assert!(!running.data.as_object().unwrap().contains_key("artifactUrl"), "only what has changed");
    change(&gateway, "a", json!({"status": "failed", "errorMessage": "no"})).await;
    let status = anns.next("status").await;
    assert_eq!((&status.data["errorMessage"], status.id), (&json!("no"), None));
    let complete = anns.next("complete").await;
    assert_eq!(complete.data["status"], "failed");
    // The stream continues, also with another attempt of a cast that has ended.
    change(&gateway, "a", json!({"status": "running", "runAttempt": 2})).await;
    let again = anns.next("status").await;
    assert_eq!((&again.data["status"], &again.data["errorMessage"]), (&json!("running"), &Value::Null));
    change(&gateway, "old", json!({"status": "running", "runAttempt": 2})).await;
    assert_eq!(anns.next("status").await.data["castId"], "old");
    // A client that was away gets the casts that have changed.
    drop(anns);
    change(&gateway, "b", json!({"status": "succeeded", "artifactUrl": "https://example.com/b"})).await;
    let mut anns = Reader::of_user(&gateway, "", &ann, again.id).await;
    assert_eq!(anns.next("status").await.data["castId"], "old");
    assert_eq!(anns.next("status").await.data["artifactUrl"], "https://example.com/b");
    assert_eq!(anns.next("complete").await.data["castId"], "b");
    let refusal = call(gateway.address, "GET", &format!("{CASTS}/events"), SERVICE, Value::Null).await;
    assert_eq!(refusal.status, 403);
    gateway.stop().await;
}
