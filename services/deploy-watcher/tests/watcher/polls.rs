//! Pages, late and repeated entries, failures in the middle, the budget of calls, and two who poll at once.

use deploy_watcher::logs::LogsError;
use deploy_watcher::poll_report::{PollError, PollReport};
use gcloud_sdk::google::logging::v2::ListLogEntriesRequest;
use jiff::{SignedDuration, Timestamp};
use oasis_store::{DatabaseArgs, Store};
use serde_json::json;
use tonic::Status;

use crate::entries::{Deploy, PROJECT, at};
use crate::{Stand, watcher};

/// The nth of many deploys, a second after the one before.
pub(crate) fn nth(nth: u32) -> serde_json::Value {
    Deploy::new("gateway", nth).revision(at(i64::from(nth)), &format!("s{nth:05}"), "True")
}

pub(crate) fn tokens(calls: &[ListLogEntriesRequest]) -> Vec<&str> {
    calls.iter().map(|call| call.page_token.as_str()).collect()
}

#[tokio::test]
async fn pages_are_read_to_the_end_empty_ones_included() {
    let stand = Stand::new().await;
    stand.logs.with(|log| (log.page_size, log.empty_pages) = (3, 2));
    stand.add((0..10).map(nth));
    let read = stand.poll().await;
    assert_eq!((read.seen, read.published, read.more), (10, 10, false));
    assert_eq!(read.cursor, Some(format!("{:.3}", at(9))));
    stand.logs.with(|log| {
        assert_eq!(log.calls.len(), 12, "{:?}", tokens(&log.calls));
        let first = &log.calls[0];
        assert!(
            first.filter.contains(
                r#"resource.type="cloud_run_revision" protoPayload.serviceName="run.googleapis.com""#
            )
        );
        assert!(
            first
                .filter
                .contains(r#"logName=("projects/acme-prod/logs/cloudaudit.googleapis.com%2Factivity" OR"#)
        );
        assert_eq!(first.order_by, "timestamp asc");
        assert!(log.calls.iter().all(|call| call.filter == first.filter));
    });
}

/// What comes late is found by the next poll; what was stored is not sent again, nor is anything written for
/// it.
#[tokio::test]
async fn late_entries_are_found_and_known_ones_are_not_sent_again() {
    let stand = Stand::new().await;
    stand.add([nth(1), nth(400)]);
    assert_eq!(stand.poll().await.published, 2);
    let drawn = "SELECT last_value, (SELECT xmin::text FROM oasis_watch_state) FROM oasis_events_id_seq";
    let before = stand.sql.query_one(drawn, &[]).await.unwrap();
    let read = stand.poll().await;
    assert_eq!((read.seen, read.published), (0, 0));
    let after = stand.sql.query_one(drawn, &[]).await.unwrap();
    assert_eq!(before.get::<_, i64>(0), after.get::<_, i64>(0));
    assert_eq!(before.get::<_, &str>(1), after.get::<_, &str>(1));
    // Three minutes late, and one that comes twice.
    stand.add([nth(220), nth(400), nth(401)]);
    let read = stand.poll().await;
    assert_eq!((read.seen, read.published), (2, 2));
    // A process that knows nothing repeats nothing.
    let again = watcher(&stand.db.url, &stand.logs, &[PROJECT]);
    let PollReport::Read(read) = again.poll().await.unwrap() else { panic!() };
    assert_eq!((read.seen > 0, read.published), (true, 0));
    assert_eq!(stand.events().await.len(), 4);
}

/// Google fails in the middle: what was read is stored, and the next poll goes on from there.
#[tokio::test]
async fn a_failure_between_pages_loses_and_repeats_nothing() {
    let stand = Stand::new().await;
    stand.logs.with(|log| log.page_size = 4);
    stand.add((0..10).map(nth));
    let denied = Status::permission_denied("logging.logEntries.list denied");
    stand.logs.with(|log| log.fails_at.push((1, denied)));
    let error = stand.watcher.poll().await.unwrap_err();
    let PollError::Logs { project, why: LogsError::Denied(_) } = &error else { panic!("{error}") };
    assert_eq!(project, PROJECT);
    assert_eq!(stand.events().await.len(), 4);
    assert_eq!(stand.watcher.last().failure, Some("permission_denied"));
    let read = stand.poll().await;
    assert_eq!((read.seen, read.published), (6, 6));
    assert!(stand.watcher.last().failure.is_none() && stand.watcher.last().good.is_some());
    assert_eq!(stand.events().await.len(), 10);
}

/// What may pass is tried again, with pauses.
#[tokio::test]
async fn google_may_stumble() {
    let stand = Stand::new().await;
    stand.add([nth(1)]);
    stand.logs.with(|log| {
        log.failures.push_back(Status::unavailable("try again"));
        log.failures.push_back(Status::resource_exhausted("too many"));
    });
    assert_eq!(stand.poll().await.published, 1);
    stand.logs.with(|log| {
        assert_eq!(log.calls.len(), 3);
        log.failures.extend((0..4).map(|_| Status::resource_exhausted("quota exceeded")));
    });
    let error = stand.watcher.poll().await.unwrap_err();
    assert!(matches!(error, PollError::Logs { why: LogsError::Quota(_), .. }), "{error}");
}

/// Thirty calls a poll, and the next one takes up the walk where it was left, even over pages without
/// entries.
#[tokio::test]
async fn the_rest_is_for_the_next_poll() {
    let stand = Stand::new().await;
    stand.logs.with(|log| (log.page_size, log.empty_pages) = (1, 44));
    stand.add([nth(1), nth(2)]);
    let mut polls = Vec::new();
    loop {
        // Each by a process of its own.
        let watcher = watcher(&stand.db.url, &stand.logs, &[PROJECT]);
        let PollReport::Read(read) = watcher.poll().await.unwrap() else { panic!() };
        polls.push((stand.logs.with(|log| log.calls.drain(..).count()), read.published));
        if !read.more {
            break;
        }
    }
    assert_eq!(polls, [(30, 0), (30, 1), (30, 1)]);
}

/// Google's times have nanoseconds, of which Postgres keeps the microseconds.
#[tokio::test]
async fn a_poll_without_news_writes_nothing() {
    let stand = Stand::new().await;
    let exact = at(1) + SignedDuration::from_nanos(123_456_789);
    stand.add([Deploy::new("gateway", 1).revision(exact, "s1", "True")]);
    stand.poll().await;
    let written = "SELECT xmin::text FROM oasis_watch_state";
    let before: String = stand.sql.query_one(written, &[]).await.unwrap().get(0);
    assert_eq!(stand.poll().await.seen, 0);
    assert_eq!(stand.sql.query_one(written, &[]).await.unwrap().get::<_, String>(0), before);
}

/// A time that lies ahead does not hide what happens until then.
#[tokio::test]
async fn an_entry_of_the_future_hides_no_others() {
    let stand = Stand::new().await;
    let ahead = Timestamp::now() + SignedDuration::from_hours(1);
    stand.add([Deploy::new("gateway", 1).revision(ahead, "s1", "True")]);
    assert_eq!(stand.poll().await.published, 1);
    stand.add([Deploy::new("gateway", 2).revision(Timestamp::now(), "s2", "True")]);
    assert_eq!(stand.poll().await.published, 1);
}

/// Each project has its own cursor and its share of the calls; one that can't be read holds up no other.
#[tokio::test]
async fn projects_are_read_one_by_one() {
    let stand = Stand::new().await;
    let other = |entry: serde_json::Value| {
        entry.to_string().replace(PROJECT, "acme-dev").parse::<serde_json::Value>().unwrap()
    };
    stand.add([nth(1), other(nth(2))]);
    stand.logs.with(|log| log.failures.push_back(Status::not_found("no such project")));
    let watcher = watcher(&stand.db.url, &stand.logs, &["acme-gone", PROJECT, "acme-dev"]);
    let error = watcher.poll().await.unwrap_err();
    assert!(error.to_string().contains("acme-gone"), "{error}");
    let sql = "SELECT meta->>'project' FROM oasis_events ORDER BY id";
    let rows = stand.sql.query(sql, &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<&str>>(), [PROJECT, "acme-dev"]);
}

/// Thirty calls over all projects. What one does not need is left to those after it, and none goes without.
#[tokio::test]
async fn projects_share_the_calls() {
    let stand = Stand::new().await;
    let projects = ["acme-one", "acme-two", "acme-three"];
    let calls = || {
        let asked = |project: &str| format!("projects/{project}");
        let of = |calls: &[ListLogEntriesRequest], name: &str| {
            calls.iter().filter(|call| call.resource_names[0] == asked(name)).count()
        };
        stand.logs.with(|log| {
            let calls: Vec<_> = log.calls.drain(..).collect();
            projects.map(|project| of(&calls, project))
        })
    };
    let watcher = watcher(&stand.db.url, &stand.logs, &projects);
    // One that stumbles pays for its tries itself.
    stand.logs.with(|log| {
        log.empty_pages = 100;
        log.failures.push_back(Status::unavailable("try again"));
    });
    let PollReport::Read(read) = watcher.poll().await.unwrap() else { panic!() };
    assert_eq!((read.more, calls()), (true, [10, 10, 10]));
    // Another one is the first now, and it is at its end.
    stand
        .sql
        .batch_execute("UPDATE oasis_watch_state SET walk_token = '0 0' WHERE project = 'acme-two'")
        .await
        .unwrap();
    watcher.poll().await.unwrap();
    assert_eq!(calls(), [14, 1, 15]);
}

/// Audit entries may have half a megabyte.
#[tokio::test]
async fn a_large_entry_is_read() {
    let stand = Stand::new().await;
    let mut entries: Vec<_> = (0..20).map(nth).collect();
    for entry in &mut entries {
        entry["protoPayload"]["response"]["metadata"]["annotations"] =
            json!({ "large": "x".repeat(500 << 10) });
    }
    stand.add(entries);
    assert_eq!(stand.poll().await.published, 20);
}

#[tokio::test]
async fn whoever_comes_while_another_polls_does_nothing() {
    let stand = Stand::new().await;
    stand.add([nth(1)]);
    let store = Store::new(DatabaseArgs::new(stand.db.url.parse().unwrap()), "test").unwrap();
    let lock = store.watch_lock().await.unwrap().unwrap();
    let polled = stand.watcher.poll().await.unwrap();
    assert_eq!(
        serde_json::to_value(&polled).unwrap(),
        json!({ "ok": true, "skipped": "another poll is under way" })
    );
    assert!(stand.logs.with(|log| log.calls.is_empty()));
    drop(lock);
    // The server notices a moment later.
    while matches!(stand.watcher.poll().await.unwrap(), PollReport::Skipped { .. }) {}
    assert_eq!(stand.events().await.len(), 1);
}
