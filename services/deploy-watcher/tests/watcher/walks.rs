//! Walks that are broken off: tokens that are refused, and crashes between the events and the cursor.

use deploy_watcher::logs::LogsError;
use deploy_watcher::poll_report::PollError;
use jiff::Timestamp;
use tonic::Status;

use crate::Stand;
use crate::entries::{Deploy, at};
use crate::polls::{nth, tokens};

/// A token lives for a day; what was read before is stored, so the walk begins anew behind it.
#[tokio::test]
async fn a_token_that_is_too_old_begins_a_new_walk() {
    let stand = Stand::new().await;
    stand.logs.with(|log| log.page_size = 1);
    stand.add((0..40).map(nth));
    assert!(stand.poll().await.more);
    stand.sql.batch_execute("UPDATE oasis_watch_state SET walk_token = 'of yesterday'").await.unwrap();
    // Everything lies within the overlap, so the new walk comes by it once more.
    let read = stand.poll().await;
    assert_eq!((read.seen, read.more), (0, true));
    assert_eq!(stand.poll().await.published, 10);
    assert_eq!(stand.events().await.len(), 40);
    assert_eq!(walk(&stand).await, None);
}

/// Google may refuse the token of any page, also within one poll.
#[tokio::test]
async fn a_token_that_is_refused_later_begins_a_new_walk() {
    let stand = Stand::new().await;
    stand.logs.with(|log| {
        log.page_size = 2;
        log.fails_at.push((2, Status::invalid_argument("page_token has expired")));
    });
    stand.add((0..6).map(nth));
    let read = stand.poll().await;
    assert_eq!((read.published, read.more), (6, false));
    stand.logs.with(|log| assert_eq!(tokens(&log.calls), ["", "2 0", "4 0", "", "2 0", "4 0"]));
}

/// A token that is refused is not tried again by the next poll, even if there was no call left to do without
/// it.
#[tokio::test]
async fn a_token_that_is_refused_is_forgotten_at_once() {
    let stand = Stand::new().await;
    stand.logs.with(|log| {
        log.page_size = 1;
        log.fails_at.push((29, Status::invalid_argument("page_token has expired")));
    });
    stand.add((0..40).map(nth));
    assert!(stand.poll().await.more);
    assert_eq!(walk(&stand).await, None);
}

/// What Google refuses for good is told, not tried again.
#[tokio::test]
async fn a_call_that_is_refused_is_an_error() {
    let stand = Stand::new().await;
    stand.logs.with(|log| log.failures.push_back(Status::invalid_argument("unparseable filter")));
    let error = stand.watcher.poll().await.unwrap_err();
    assert!(matches!(&error, PollError::Logs { why: LogsError::Refused(_), .. }), "{error}");
    stand.logs.with(|log| assert_eq!(log.calls.len(), 1));
}

/// The token under which the walk would be resumed.
async fn walk(stand: &Stand) -> Option<String> {
    stand.sql.query_one("SELECT walk_token FROM oasis_watch_state", &[]).await.unwrap().get(0)
}

/// A walk that came to its end is over, also when it found nothing new.
#[tokio::test]
async fn a_walk_that_ended_is_not_resumed() {
    let stand = Stand::new().await;
    stand.logs.with(|log| log.page_size = 1);
    stand.add([nth(1), nth(2)]);
    stand.poll().await;
    stand.poll().await;
    assert_eq!(walk(&stand).await, None);
    // So what comes late within its first page is found.
    stand.add([nth(0)]);
    assert_eq!(stand.poll().await.published, 1);
}

/// Events first, then the cursor: whoever dies between the two repeats a page, and stores nothing twice.
#[tokio::test]
async fn a_crash_before_the_cursor_is_kept_repeats_and_loses_nothing() {
    let stand = Stand::new().await;
    stand.add((0..5).map(nth));
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
                  CREATE TRIGGER refuse BEFORE INSERT ON oasis_watch_state EXECUTE FUNCTION refuse()";
    stand.sql.batch_execute(refuse).await.unwrap();
    assert!(matches!(stand.watcher.poll().await, Err(PollError::Store(_))));
    assert_eq!(stand.events().await.len(), 5);
    stand.sql.batch_execute("DROP TRIGGER refuse ON oasis_watch_state").await.unwrap();
    let read = stand.poll().await;
    assert_eq!((read.seen, read.published), (5, 0));
    assert_eq!(stand.events().await.len(), 5);
}

/// Without the events there is no cursor behind them.
#[tokio::test]
async fn the_cursor_waits_for_the_events() {
    let stand = Stand::new().await;
    stand.add([nth(1)]);
    stand.poll().await;
    stand.add([nth(2)]);
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN RAISE 'the disk is full' USING ERRCODE = '53100'; END $$; \
                  CREATE TRIGGER a_refuse BEFORE INSERT ON oasis_events EXECUTE FUNCTION refuse()";
    stand.sql.batch_execute(refuse).await.unwrap();
    assert!(matches!(stand.watcher.poll().await, Err(PollError::Append(_))));
    let cursor: Timestamp =
        stand.sql.query_one("SELECT cursor FROM oasis_watch_state", &[]).await.unwrap().get(0);
    assert_eq!(cursor, at(1));
    stand.sql.batch_execute("DROP TRIGGER a_refuse ON oasis_events").await.unwrap();
    assert_eq!(stand.poll().await.published, 1);
}

/// What the table refuses is kept beside it, and holds up none of the page.
#[tokio::test]
async fn what_the_table_refuses_is_put_aside() {
    let stand = Stand::new().await;
    stand.add((0..3).map(nth));
    let refuse =
        "ALTER TABLE oasis_events ADD CONSTRAINT ours CHECK (meta->>'revision' <> 'gateway-00001-abc')";
    stand.sql.batch_execute(refuse).await.unwrap();
    let read = stand.poll().await;
    assert_eq!((read.seen, read.published, read.unread), (3, 2, 1));
    let row = stand.sql.query_one("SELECT insert_id, reason FROM oasis_unread_entries", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "s00001");
    assert!(row.get::<_, &str>(1).contains("ours"), "{:?}", row.get::<_, &str>(1));
    // The entry is kept whole. The reason, which is logged as well, says nothing of what stands in it.
    assert!(row.get::<_, &str>(1).contains("23514"), "{:?}", row.get::<_, &str>(1));
    assert!(!row.get::<_, &str>(1).contains("gateway-00001"), "{:?}", row.get::<_, &str>(1));
    assert_eq!(stand.poll().await.seen, 0);
}

/// A walk that is taken up long after it was begun has passed what came late meanwhile; the next one finds
/// it.
#[tokio::test]
async fn what_comes_late_behind_a_long_walk_is_found() {
    let stand = Stand::new().await;
    stand.logs.with(|log| log.page_size = 1);
    let old = |second: i64, id: u32| {
        Deploy::new("gateway", id).revision(at(second - 1_800), &format!("s{id}"), "True")
    };
    stand.add([old(2, 2), nth(3)]);
    stand.logs.with(|log| log.fails_at.push((1, Status::permission_denied("cut"))));
    assert!(stand.watcher.poll().await.is_err());
    // Begun when the first page was new, half an hour ago; and one comes late behind it.
    stand
        .sql
        .batch_execute("UPDATE oasis_watch_state SET walk_began = cursor + interval '1 minute'")
        .await
        .unwrap();
    stand.add([old(1, 1)]);
    while stand.poll().await.more {}
    stand.poll().await;
    assert_eq!(stand.events().await.len(), 3);
}
