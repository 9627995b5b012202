//! Tests that each family of channels is pruned separately, and that readers see which ids were pruned.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oasis_core::{Channel, Family};
use oasis_store::{NewApiKey, Order, PageQuery, Revocation, Store, StoredEvent, Tail, Update};
use tokio::sync::{Semaphore, mpsc};
use tokio_postgres::Client;

use crate::{client, collect, database, follow, insert_row, next, store, until_up};

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

/// Makes all rows older than they are, and prunes a family. Returns the number of deleted rows.
async fn prune_old(client: &Client, store: &Store, family: &str) -> u64 {
    let age = "ALTER TABLE oasis_events DISABLE TRIGGER oasis_events_append_only; \
               UPDATE oasis_events SET recorded_at = recorded_at - interval '8 days'; \
               ALTER TABLE oasis_events ENABLE ALWAYS TRIGGER oasis_events_append_only";
    client.batch_execute(age).await.unwrap();
    let week = Duration::from_secs(7 * 24 * 3_600);
    store.prune(&Family::parse(family).unwrap(), week, |_| {}).await.unwrap().rows
}

async fn kinds(client: &Client) -> Vec<String> {
    let sql = "SELECT channel || ' ' || kind FROM oasis_events ORDER BY id";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn rooms(client: &Client) -> Vec<String> {
    let sql = "SELECT channel FROM oasis_channels ORDER BY channel";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_room_keeps_its_state_as_long_as_it_has_a_row() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let append = async |room: &str, kind: &str| {
        client.batch_execute(&insert_row(room, kind, "{}")).await.unwrap();
    };
    for room in ["room:open", "room:closed", "room:busy"] {
        for kind in ["room.opened", "room.updated", "log"] {
            append(room, kind).await;
        }
    }
    append("room:closed", "room.closed").await;
    append("room:busy", "room.closed").await;
    append("room:orphan", "room.updated").await;
    append("room:orphan", "log").await;
    let devhub = prune_old(&client, &store, "devhub").await;
    assert_eq!(devhub, 0, "a prune of the ticker must not touch rooms");
    append("room:busy", "log").await;
    let week = Duration::from_secs(7 * 24 * 3_600);
    assert_eq!(store.prune(&room(), week, |_| {}).await.unwrap().rows, 11);
    let left = ["room:open room.opened", "room:open room.updated", "room:busy log"];
    assert_eq!(kinds(&client).await, left);
    assert_eq!(rooms(&client).await, ["room:busy", "room:open"], "a room with a row still has its state");
    assert_eq!(store.prune(&room(), Duration::ZERO, |_| {}).await.unwrap().rows, 1);
    assert_eq!(rooms(&client).await, ["room:open"]);

    // Once the room is closed, the next prune deletes the rows that were kept.
    append("room:open", "room.closed").await;
    append("devhub", "log").await;
    assert_eq!(store.prune(&room(), Duration::from_secs(3_600), |_| {}).await.unwrap().rows, 2);
    assert_eq!(kinds(&client).await, ["room:open room.closed", "devhub log"]);
    assert_eq!(rooms(&client).await, ["room:open"]);
    assert_eq!(store.prune(&room(), Duration::ZERO, |_| {}).await.unwrap().rows, 1);
    assert_eq!(rooms(&client).await, [""; 0]);
}

/// A writer that changes a room locks the state of the room. The writer and the prune do not wait for each
/// other.
#[tokio::test]
async fn a_prune_does_not_wait_for_a_state_that_a_writer_has_locked() {
    let db = database().await;
    let store = store(&db.url);
    let mut writer = client(&db.url).await;
    for kind in ["room.opened", "room.closed"] {
        writer.batch_execute(&insert_row("room:a", kind, "{}")).await.unwrap();
    }
    let transaction = writer.transaction().await.unwrap();
    transaction.batch_execute(&insert_row("room:a", "room.updated", "{}")).await.unwrap();
    assert_eq!(store.prune(&room(), Duration::ZERO, |_| {}).await.unwrap().rows, 2);
    transaction.commit().await.unwrap();
    assert_eq!(rooms(&writer).await, ["room:a"]);
    assert_eq!(store.prune(&room(), Duration::ZERO, |_| {}).await.unwrap().rows, 1);
    assert_eq!(rooms(&writer).await, [""; 0]);
}

/// The rows of an open room can stay at the beginning of the table for a long time. A prune skips the ids
/// between these rows and the rows to delete in one step.
#[tokio::test]
async fn a_prune_skips_large_holes_in_the_ids() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    client.batch_execute(&insert_row("room:a", "room.opened", "{}")).await.unwrap();
    client.batch_execute("SELECT setval('oasis_events_id_seq', 5000000000)").await.unwrap();
    client.batch_execute(&insert_row("room:a", "log", "{}")).await.unwrap();
    let gone = store.prune(&room(), Duration::ZERO, |_| {}).await.unwrap();
    assert_eq!((gone.rows, gone.through), (1, 5_000_000_001));
}

#[tokio::test]
async fn a_revocation_is_kept_until_it_has_ended() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let hash = [1; 32];
    let (id, hint, name, user_id) = ("k1".to_owned(), String::new(), String::new(), "ann".to_owned());
    store.create_api_key(&NewApiKey { id, user_id, name, hint, hash, expires_at: None }).await.unwrap();
    let past = Some("2026-01-02T03:04:05Z".parse().unwrap());
    let future = Some("9000-01-02T03:04:05Z".parse().unwrap());
    let before = "2026-01-02T03:04:05Z".parse().unwrap();
    let token = |jti: &str, until| Revocation::Token { jti: jti.into(), until };
    let user = |until| Revocation::User { sub: "bob".into(), before, until };
    let kept = [token("a", None), token("b", future), user(None), user(future)];
    for revocation in kept.iter().chain([&token("c", past), &user(past)]) {
        store.revoke(revocation).await.unwrap();
    }
    // If an SQL client inserts a revocation, the key is not marked as revoked.
    let row = insert_row("access", "access.revoked", r#"{"what": "key", "key": "k1"}"#);
    client.batch_execute(&row).await.unwrap();
    client.batch_execute(&insert_row("access", "access.revoked", r#"{"what": "later"}"#)).await.unwrap();
    assert_eq!(prune_old(&client, &store, "access").await, 2);
    let key = Revocation::Key { id: "k1".into() };
    let all: Vec<Revocation> = kept.iter().cloned().chain([key]).collect();
    assert_eq!(store.revocations(0).await.unwrap().revocations, all);
    store.revoke_api_key("k1").await.unwrap();
    assert_eq!(prune_old(&client, &store, "access").await, 2);
    assert_eq!(store.revocations(0).await.unwrap().revocations, kept);
    assert_eq!(kinds(&client).await.len(), 5, "a row that this version can't read is kept");
}
