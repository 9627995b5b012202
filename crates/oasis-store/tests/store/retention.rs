//! Tests that each family of channels is pruned separately, and that readers see which ids were pruned.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oasis_core::{Channel, Family};
use oasis_store::{Order, PageQuery, Store, StoredEvent, Tail, Update};
use tokio::sync::{Semaphore, mpsc};
use tokio_postgres::Client;

use crate::{client, collect, database, follow, next, store, until_up};

/// Inserts `times` groups of events, recorded `hours` ago. Each group has two events of the ticker and
/// `lines` events of two rooms.
async fn fill_ago(client: &Client, times: i64, lines: i64, hours: i64) {
    let sql = format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel, \
         recorded_at) \
         SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'log', 'info', 'UNSET-CORE-LOG', \
         'vt/UNSET-log', \
                CASE WHEN n % ({lines} + 2) < 2 THEN 'devhub' ELSE 'room:' || n % 2 END, \
                clock_timestamp() - interval '{hours} hours' \
         FROM generate_series(0, {times} * ({lines} + 2) - 1) AS n ORDER BY n"
    );
    client.batch_execute(&sql).await.unwrap();
}

async fn fill(client: &Client, times: i64, lines: i64) {
    fill_ago(client, times, lines, 0).await;
}

fn room() -> Family {
    Family::parse("room").unwrap()
}

async fn rows(client: &Client) -> Vec<(String, i64)> {
    let sql = "SELECT split_part(channel, ':', 1), count(*) FROM oasis_events GROUP BY 1 ORDER BY 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn recorded(client: &Client, id: i64) -> Timestamp {
    let sql = "SELECT recorded_at FROM oasis_events WHERE id = $1";
    let at: std::time::SystemTime = client.query_one(sql, &[&id]).await.unwrap().get(0);
    at.try_into().unwrap()
}

/// Reads a page and returns three marks: the marks of the ticker, of the rooms and of the casts.
async fn marks(store: &Store) -> [i64; 3] {
    let order = Order::OldestFirst { after: 5, upto: 6 };
    let page = store.page(&PageQuery::ticker(None, order, 1)).await.unwrap();
    let marks = ["devhub", "room:0", "cast:7"]
        .map(|channel| page.marks.of_channel(&Channel::parse(channel).unwrap()));
    assert_eq!(page.marks.highest(), marks.into_iter().max().unwrap());
    marks
}

#[tokio::test]
async fn each_family_is_pruned_separately() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let devhub = Family::devhub();
    fill(&client, 10, 8).await;
    let hour = Duration::from_secs(3_600);
    for family in [&devhub, &room()] {
        let nothing = store.prune(family, hour, |_| {}).await.unwrap();
        assert_eq!((nothing.rows, nothing.through), (0, 0));
    }
    let middle = recorded(&client, 51).await;
    let first = async |family: &Family, since| store.first_id_since(family, since).await.unwrap();
    for family in [&devhub, &room()] {
        assert_eq!(first(family, middle).await, Some(51));
        assert_eq!(first(family, Timestamp::UNIX_EPOCH).await, Some(1));
        assert_eq!(first(family, Timestamp::MAX).await, None);
    }

    let gone = store.prune(&devhub, Duration::ZERO, |_| {}).await.unwrap();
    assert_eq!((gone.rows, gone.through), (20, 92), "the mark must be the id of the last deleted event");
    assert_eq!(rows(&client).await, [("room".to_owned(), 80)]);
    assert_eq!(marks(&store).await, [92, 0, 0]);
    assert_eq!(first(&devhub, middle).await, Some(93), "older rows of rooms must not count");
    assert_eq!(first(&room(), middle).await, Some(53));
    assert_eq!(store.head().await.unwrap(), 100);

    let gone = store.prune(&room(), Duration::ZERO, |_| {}).await.unwrap();
    assert_eq!((gone.rows, gone.through), (80, 100));
    assert_eq!(rows(&client).await, []);
    assert_eq!(marks(&store).await, [92, 100, 0]);
    assert_eq!(first(&room(), middle).await, None);
    assert_eq!(store.head().await.unwrap(), 100, "the head must not go back, because readers have seen it");
    let again = store.prune(&room(), Duration::ZERO, |_| {}).await.unwrap();
    assert_eq!((again.rows, again.through), (0, 100));
}

/// Only rows that are old enough are pruned, in several transactions. The family `roommate` keeps its rows
/// when the family `room` is pruned.
#[tokio::test]
async fn a_long_prune_runs_in_several_transactions() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    fill_ago(&client, 11_000, 2, 48).await;
    let other = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, \
        channel, recorded_at) \
                 SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'log', 'info', 'UNSET-CORE-LOG', \
                        'vt/UNSET-log', 'roommate:1', clock_timestamp() - interval '48 hours' \
                        FROM generate_series(1, 10)";
    client.batch_execute(other).await.unwrap();
    fill(&client, 1, 2).await;
    let keep = Duration::from_secs(24 * 3_600);
    for (family, through) in [(Family::devhub(), 43_998), (room(), 44_000)] {
        let counts = std::cell::RefCell::new(Vec::new());
        let gone = store.prune(&family, keep, |rows| counts.borrow_mut().push(rows)).await.unwrap();
        assert_eq!((gone.rows, gone.through), (22_000, through));
        let counts = counts.into_inner();
        assert!(counts.len() >= 3 && counts.is_sorted() && counts.last() == Some(&22_000), "{counts:?}");
    }
    let left = [("devhub", 2), ("room", 2), ("roommate", 10)];
    assert_eq!(rows(&client).await, left.map(|(family, rows)| (family.to_owned(), rows)));
}

/// If a tail has already read the pruned rows, the tail continues without a restart. This is true for every
/// family.
#[tokio::test]
async fn a_tail_that_has_read_the_pruned_rows_does_not_restart() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    fill(&client, 10, 8).await;
    let mut updates = follow(store.tail());
    until_up(&mut updates).await;
    for (family, mark) in [(room(), 100), (Family::devhub(), 92)] {
        store.prune(&family, Duration::ZERO, |_| {}).await.unwrap();
        loop {
            let Update::Pruned(marks) = next(&mut updates).await else { panic!("expected `Pruned`") };
            if marks.of(family.as_str()) == mark {
                break;
            }
        }
    }
    fill(&client, 1, 2).await;
    let events = collect(&mut updates, 4).await;
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [101, 102, 103, 104]);
}

/// Follows the table with a tail whose handler waits for a permit after each update.
fn follow_slowly(tail: Tail) -> (Arc<Semaphore>, mpsc::UnboundedReceiver<Update>) {
    let permits = Arc::new(Semaphore::new(0));
    let (send, receive) = mpsc::unbounded_channel();
    let (taken, ended) = (permits.clone(), send.clone());
    tokio::spawn(async move {
        let handle = |update| {
            drop(send.send(update));
            let permits = taken.clone();
            async move { permits.acquire().await.unwrap().forget() }
        };
        tokio::select! {
            () = tail.run_async(handle) => {}
            () = ended.closed() => {}
        }
    });
    (permits, receive)
}

/// If rows are pruned before a tail has read them, the tail starts again.
#[tokio::test]
async fn a_tail_that_missed_pruned_rows_starts_again() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    fill(&client, 1, 0).await;
    let (permits, mut updates) = follow_slowly(store.tail().recent(10));
    let ids = |events: &[StoredEvent]| events.iter().map(|event| event.id).collect::<Vec<_>>();
    let Update::Start { events, head: 2, empty: false } = next(&mut updates).await else {
        panic!("the tail should start")
    };
    assert_eq!(ids(&events), [1, 2]);
    // While the tail waits for a permit, rows are inserted and pruned.
    fill(&client, 1, 2).await;
    store.prune(&room(), Duration::ZERO, |_| {}).await.unwrap();
    permits.add_permits(100);
    assert_eq!(next(&mut updates).await, Update::Up { polls: None });
    let Update::Start { events, head: 6, empty: false } = next(&mut updates).await else {
        panic!("the tail should start")
    };
    assert_eq!(ids(&events), [1, 2, 3, 4]);
}

/// A ticker without events counts as empty even if the table has rows of other channels.
#[tokio::test]
async fn a_ticker_without_events_is_empty_even_if_rooms_have_rows() {
    let db = database().await;
    let client = client(&db.url).await;
    fill(&client, 1, 8).await;
    client.batch_execute("DELETE FROM oasis_events WHERE channel = 'devhub'").await.unwrap();
    let mut updates = follow(store(&db.url).tail().recent(10));
    assert_eq!(next(&mut updates).await, Update::Start { events: vec![], head: 10, empty: true });
    until_up(&mut updates).await;
    fill(&client, 1, 0).await;
    let events = collect(&mut updates, 2).await;
    assert!(events.iter().all(|event| event.channel.is_devhub()));
    let mut updates = follow(store(&db.url).tail());
    assert_eq!(next(&mut updates).await, Update::Start { events: vec![], head: 12, empty: false });
}
