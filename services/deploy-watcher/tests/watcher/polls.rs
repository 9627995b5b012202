//! Tests of polls: pages, late and repeated entries, failures, the budget of calls, and concurrent polls.

use deploy_watcher::logs::LogsError;
use deploy_watcher::poll_report::{PollError, PollReport};
use gcloud_sdk::google::logging::v2::ListLogEntriesRequest;
use jiff::{SignedDuration, Timestamp};
use oasis_store::{DatabaseArgs, Store};
use serde_json::json;
use tonic::Status;

use crate::entries::{Deploy, PROJECT, at};
use crate::{Setup, watcher};

/// The entry of deploy number `nth`. Consecutive deploys are one second apart.
pub(crate) fn nth(nth: u32) -> serde_json::Value {
    Deploy::new("gateway", nth).revision(at(i64::from(nth)), &format!("s{nth:05}"), "True")
}

pub(crate) fn tokens(calls: &[ListLogEntriesRequest]) -> Vec<&str> {
    calls.iter().map(|call| call.page_token.as_str()).collect()
}

#[tokio::test]
async fn all_pages_are_read_including_empty_ones() {
    let setup = Setup::new().await;
    setup.logs.with(|log| (log.page_size, log.empty_pages) = (3, 2));
    setup.add((0..10).map(nth));
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published, read.more), (10, 10, false));
    assert_eq!(read.cursor, Some(format!("{:.3}", at(9))));
    setup.logs.with(|log| {
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

/// A poll finds late entries. It does not append known entries again, and writes nothing for them.
#[tokio::test]
async fn late_entries_are_found_and_known_entries_are_not_appended_again() {
    let setup = Setup::new().await;
    setup.add([nth(1), nth(400)]);
    assert_eq!(setup.poll().await.published, 2);
    let writes = "SELECT last_value, (SELECT xmin::text FROM oasis_watch_state) FROM oasis_events_id_seq";
    let before = setup.sql.query_one(writes, &[]).await.unwrap();
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published), (0, 0));
    let after = setup.sql.query_one(writes, &[]).await.unwrap();
    assert_eq!(before.get::<_, i64>(0), after.get::<_, i64>(0));
    assert_eq!(before.get::<_, &str>(1), after.get::<_, &str>(1));
    // One entry is three minutes late, one entry is repeated, and one entry is new.
    setup.add([nth(220), nth(400), nth(401)]);
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published), (2, 2));
    // A new process has not seen any entries, but it does not store an event twice.
    let again = watcher(&setup.db.url, &setup.logs, &[PROJECT]);
    let PollReport::Read(read) = again.poll().await.unwrap() else { panic!() };
    assert_eq!((read.seen > 0, read.published), (true, 0));
    assert_eq!(setup.events().await.len(), 4);
}

/// After a failure between two pages, the next poll continues where the failed poll stopped.
#[tokio::test]
async fn after_a_failure_between_pages_no_entry_is_lost_or_read_twice() {
    let setup = Setup::new().await;
    setup.logs.with(|log| log.page_size = 4);
    setup.add((0..10).map(nth));
    let denied = Status::permission_denied("logging.logEntries.list denied");
    setup.logs.with(|log| log.fails_at.push((1, denied)));
    let error = setup.watcher.poll().await.unwrap_err();
    let PollError::Logs { project, why: LogsError::Denied(_) } = &error else { panic!("{error}") };
    assert_eq!(project, PROJECT);
    assert_eq!(setup.events().await.len(), 4);
    assert_eq!(setup.watcher.status().failure, Some("permission_denied"));
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published), (6, 6));
    let status = setup.watcher.status();
    assert!(status.failure.is_none() && status.last_good.is_some());
    assert_eq!(setup.events().await.len(), 10);
}

#[tokio::test]
async fn transient_errors_are_retried() {
    let setup = Setup::new().await;
    setup.add([nth(1)]);
    setup.logs.with(|log| {
        log.failures.push_back(Status::unavailable("try again"));
        log.failures.push_back(Status::resource_exhausted("too many"));
    });
    assert_eq!(setup.poll().await.published, 1);
    setup.logs.with(|log| {
        assert_eq!(log.calls.len(), 3);
        log.failures.extend((0..4).map(|_| Status::resource_exhausted("quota exceeded")));
    });
    let error = setup.watcher.poll().await.unwrap_err();
    assert!(matches!(error, PollError::Logs { why: LogsError::Quota(_), .. }), "{error}");
}

/// A poll makes at most 30 calls. The next poll continues the walk, even between two empty pages.
#[tokio::test]
async fn the_next_poll_continues_a_walk_that_exceeds_the_budget() {
    let setup = Setup::new().await;
    setup.logs.with(|log| (log.page_size, log.empty_pages) = (1, 44));
    setup.add([nth(1), nth(2)]);
    let mut polls = Vec::new();
    loop {
        // Each poll is made by a new process.
        let watcher = watcher(&setup.db.url, &setup.logs, &[PROJECT]);
        let PollReport::Read(read) = watcher.poll().await.unwrap() else { panic!() };
        polls.push((setup.logs.with(|log| log.calls.drain(..).count()), read.published));
        if !read.more {
            break;
        }
    }
    assert_eq!(polls, [(30, 0), (30, 1), (30, 1)]);
}

/// Google's timestamps have nanoseconds, but Postgres stores only microseconds. The watcher must not mistake
/// the difference for a change of the cursor.
#[tokio::test]
async fn a_poll_without_new_entries_writes_nothing() {
    let setup = Setup::new().await;
    let exact = at(1) + SignedDuration::from_nanos(123_456_789);
    setup.add([Deploy::new("gateway", 1).revision(exact, "s1", "True")]);
    setup.poll().await;
    let written = "SELECT xmin::text FROM oasis_watch_state";
    let before: String = setup.sql.query_one(written, &[]).await.unwrap().get(0);
    assert_eq!(setup.poll().await.seen, 0);
    assert_eq!(setup.sql.query_one(written, &[]).await.unwrap().get::<_, String>(0), before);
}

#[tokio::test]
async fn an_entry_with_a_future_timestamp_does_not_hide_other_entries() {
    let setup = Setup::new().await;
    let ahead = Timestamp::now() + SignedDuration::from_hours(1);
    setup.add([Deploy::new("gateway", 1).revision(ahead, "s1", "True")]);
    assert_eq!(setup.poll().await.published, 1);
    setup.add([Deploy::new("gateway", 2).service(Timestamp::now(), "s2", "True")]);
    assert_eq!(setup.poll().await.published, 1);
}

#[tokio::test]
async fn a_project_that_cannot_be_read_does_not_block_others() {
    let setup = Setup::new().await;
    let other = |entry: serde_json::Value| {
        entry.to_string().replace(PROJECT, "acme-dev").parse::<serde_json::Value>().unwrap()
    };
    setup.add([nth(1), other(nth(2))]);
    setup.logs.with(|log| log.failures.push_back(Status::not_found("no such project")));
    let watcher = watcher(&setup.db.url, &setup.logs, &["acme-gone", PROJECT, "acme-dev"]);
    let error = watcher.poll().await.unwrap_err();
    assert!(error.to_string().contains("acme-gone"), "{error}");
    let sql = "SELECT meta->>'project' FROM oasis_events ORDER BY id";
    let rows = setup.sql.query(sql, &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<&str>>(), [PROJECT, "acme-dev"]);
}

/// All projects share the 30 calls of a poll. If a project needs fewer calls than its share, the projects
/// after it get the rest.
#[tokio::test]
async fn projects_share_the_calls_of_a_poll() {
    let setup = Setup::new().await;
    let projects = ["acme-one", "acme-two", "acme-three"];
    let calls = || {
        let asked = |project: &str| format!("projects/{project}");
        let of = |calls: &[ListLogEntriesRequest], name: &str| {
            calls.iter().filter(|call| call.resource_names[0] == asked(name)).count()
        };
        setup.logs.with(|log| {
            let calls: Vec<_> = log.calls.drain(..).collect();
            projects.map(|project| of(&calls, project))
        })
    };
    let watcher = watcher(&setup.db.url, &setup.logs, &projects);
    // The retries of a project count against its own share.
    setup.logs.with(|log| {
        log.empty_pages = 100;
        log.failures.push_back(Status::unavailable("try again"));
    });
    let PollReport::Read(read) = watcher.poll().await.unwrap() else { panic!() };
    assert_eq!((read.more, calls()), (true, [10, 10, 10]));
    // The next poll starts with a different project. The walk of this project needs only one more call.
    setup
        .sql
        .batch_execute("UPDATE oasis_watch_state SET walk_token = '0 0' WHERE project = 'acme-two'")
        .await
        .unwrap();
    watcher.poll().await.unwrap();
    assert_eq!(calls(), [14, 1, 15]);
}

/// An audit entry can have up to 512 KiB.
#[tokio::test]
async fn large_entries_are_read() {
    let setup = Setup::new().await;
    let mut entries: Vec<_> = (0..20).map(nth).collect();
    for entry in &mut entries {
        entry["protoPayload"]["response"]["metadata"]["annotations"] =
            json!({ "large": "x".repeat(500 << 10) });
    }
    setup.add(entries);
    assert_eq!(setup.poll().await.published, 20);
}

#[tokio::test]
async fn a_poll_is_skipped_while_another_poll_runs() {
    let setup = Setup::new().await;
    setup.add([nth(1)]);
    let store = Store::new(DatabaseArgs::new(setup.db.url.parse().unwrap()), "test").unwrap();
    let lock = store.watch_lock().await.unwrap().unwrap();
    let polled = setup.watcher.poll().await.unwrap();
    assert_eq!(
        serde_json::to_value(&polled).unwrap(),
        json!({ "ok": true, "skipped": "another poll is under way" })
    );
    assert!(setup.logs.with(|log| log.calls.is_empty()));
    drop(lock);
    // The database releases the lock a moment later.
    while matches!(setup.watcher.poll().await.unwrap(), PollReport::Skipped { .. }) {}
    assert_eq!(setup.events().await.len(), 1);
}
