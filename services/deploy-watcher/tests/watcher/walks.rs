//! Tests of interrupted walks: refused tokens, and crashes after the events are stored and before the cursor
//! is saved.

use deploy_watcher::logs::LogsError;
use deploy_watcher::poll_report::PollError;
use jiff::Timestamp;
use tonic::Status;

use crate::Setup;
use crate::entries::{Deploy, at};
use crate::polls::{nth, tokens};

/// A token is valid for a day. All events up to the cursor are stored, so a new walk starts at the cursor.
#[tokio::test]
async fn an_expired_token_starts_a_new_walk() {
    let setup = Setup::new().await;
    setup.logs.with(|log| log.page_size = 1);
    setup.add((0..40).map(nth));
    assert!(setup.poll().await.more);
    setup.sql.batch_execute("UPDATE oasis_watch_state SET walk_token = 'expired'").await.unwrap();
    // All entries are within the overlap, so the new walk reads them once more.
    let read = setup.poll().await;
    assert_eq!((read.seen, read.more), (0, true));
    assert_eq!(setup.poll().await.published, 10);
    assert_eq!(setup.events().await.len(), 40);
    assert_eq!(saved_token(&setup).await, None);
}

/// Google can refuse the token of any page, even within one poll.
#[tokio::test]
async fn a_token_refused_within_a_poll_starts_a_new_walk() {
    let setup = Setup::new().await;
    setup.logs.with(|log| {
        log.page_size = 2;
        log.fails_at.push((2, Status::invalid_argument("page_token has expired")));
    });
    setup.add((0..6).map(nth));
    let read = setup.poll().await;
    assert_eq!((read.published, read.more), (6, false));
    setup.logs.with(|log| assert_eq!(tokens(&log.calls), ["", "2 0", "4 0", "", "2 0", "4 0"]));
}

/// A poll forgets a refused token, even if it has no call left to start a new walk.
#[tokio::test]
async fn a_refused_token_is_forgotten_at_once() {
    let setup = Setup::new().await;
    setup.logs.with(|log| {
        log.page_size = 1;
        log.fails_at.push((29, Status::invalid_argument("page_token has expired")));
    });
    setup.add((0..40).map(nth));
    assert!(setup.poll().await.more);
    assert_eq!(saved_token(&setup).await, None);
}

/// A refused call without a token is not retried.
#[tokio::test]
async fn a_refused_call_without_a_token_is_an_error() {
    let setup = Setup::new().await;
    setup.logs.with(|log| log.failures.push_back(Status::invalid_argument("unparseable filter")));
    let error = setup.watcher.poll().await.unwrap_err();
    assert!(matches!(&error, PollError::Logs { why: LogsError::Refused(_), .. }), "{error}");
    setup.logs.with(|log| assert_eq!(log.calls.len(), 1));
}

/// Returns the saved token, if there is an unfinished walk.
async fn saved_token(setup: &Setup) -> Option<String> {
    setup.sql.query_one("SELECT walk_token FROM oasis_watch_state", &[]).await.unwrap().get(0)
}

/// A walk that reached its last page is finished, even if it found no new entries.
#[tokio::test]
async fn a_finished_walk_is_not_resumed() {
    let setup = Setup::new().await;
    setup.logs.with(|log| log.page_size = 1);
    setup.add([nth(1), nth(2)]);
    setup.poll().await;
    setup.poll().await;
    assert_eq!(saved_token(&setup).await, None);
    // The next poll starts a new walk, so it finds an entry that arrives late on the first page.
    setup.add([nth(0)]);
    assert_eq!(setup.poll().await.published, 1);
}

/// A poll stores the events and then saves the cursor. After a crash between these steps, the next poll reads
/// the page again, but no event is stored twice.
#[tokio::test]
async fn after_a_crash_before_the_cursor_is_saved_no_event_is_lost_or_stored_twice() {
    let setup = Setup::new().await;
    setup.add((0..5).map(nth));
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
                  CREATE TRIGGER refuse BEFORE INSERT ON oasis_watch_state EXECUTE FUNCTION refuse()";
    setup.sql.batch_execute(refuse).await.unwrap();
    assert!(matches!(setup.watcher.poll().await, Err(PollError::Store(_))));
    assert_eq!(setup.events().await.len(), 5);
    setup.sql.batch_execute("DROP TRIGGER refuse ON oasis_watch_state").await.unwrap();
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published), (5, 0));
    assert_eq!(setup.events().await.len(), 5);
}

#[tokio::test]
async fn the_cursor_does_not_pass_events_that_are_not_stored() {
    let setup = Setup::new().await;
    setup.add([nth(1)]);
    setup.poll().await;
    setup.add([nth(2)]);
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN RAISE 'the disk is full' USING ERRCODE = '53100'; END $$; \
                  CREATE TRIGGER a_refuse BEFORE INSERT ON oasis_events EXECUTE FUNCTION refuse()";
    setup.sql.batch_execute(refuse).await.unwrap();
    assert!(matches!(setup.watcher.poll().await, Err(PollError::Append(_))));
    let cursor: Timestamp =
        setup.sql.query_one("SELECT cursor FROM oasis_watch_state", &[]).await.unwrap().get(0);
    assert_eq!(cursor, at(1));
    setup.sql.batch_execute("DROP TRIGGER a_refuse ON oasis_events").await.unwrap();
    assert_eq!(setup.poll().await.published, 1);
}

/// A refused event does not block the other events of the same page.
#[tokio::test]
async fn entries_whose_event_is_refused_are_put_aside() {
    let setup = Setup::new().await;
    setup.add((0..3).map(nth));
    let refuse =
        "ALTER TABLE oasis_events ADD CONSTRAINT ours CHECK (meta->>'revision' <> 'gateway-00001-abc')";
    setup.sql.batch_execute(refuse).await.unwrap();
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published, read.unread), (3, 2, 1));
    let row = setup.sql.query_one("SELECT insert_id, reason FROM oasis_unread_entries", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "s00001");
    assert!(row.get::<_, &str>(1).contains("ours"), "{:?}", row.get::<_, &str>(1));
    // The watcher also logs the reason, so the reason must not quote the entry.
    assert!(row.get::<_, &str>(1).contains("23514"), "{:?}", row.get::<_, &str>(1));
    assert!(!row.get::<_, &str>(1).contains("gateway-00001"), "{:?}", row.get::<_, &str>(1));
    assert_eq!(setup.poll().await.seen, 0);
}

/// While a walk is interrupted, late entries can arrive on pages that the walk has passed. The next walk
/// finds these entries.
#[tokio::test]
async fn the_next_walk_finds_entries_that_a_long_walk_missed() {
    let setup = Setup::new().await;
    setup.logs.with(|log| log.page_size = 1);
    let old = |second: i64, id: u32| {
        Deploy::new("gateway", id).revision(at(second - 1_800), &format!("s{id}"), "True")
    };
    setup.add([old(2, 2), nth(3)]);
    setup.logs.with(|log| log.fails_at.push((1, Status::permission_denied("cut"))));
    assert!(setup.watcher.poll().await.is_err());
    // Pretend that the walk began half an hour ago. Then add an entry to a page that the walk has passed.
    setup
        .sql
        .batch_execute("UPDATE oasis_watch_state SET walk_began = cursor + interval '1 minute'")
        .await
        .unwrap();
    setup.add([old(1, 1)]);
    while setup.poll().await.more {}
    setup.poll().await;
    assert_eq!(setup.events().await.len(), 3);
}
