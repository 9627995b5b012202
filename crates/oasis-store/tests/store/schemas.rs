//! Tests that several schemas of one database do not affect each other, and that every operation of the store
//! works in a schema other than `public`.

use std::time::Duration;

use futures_util::StreamExt;
use oasis_core::room::RoomId;
use oasis_core::{Channel, Family};
use oasis_postgres::testing;
use oasis_store::{
    LineQuery, Need, Order, PageQuery, Revocation, RoomQuery, Schema, StoredEvent, Update, WatchState,
    migrate_in, migration_script,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::{
    client, collect, database, filter, follow, insert_row, new, next, parse, plain_insert, store, store_in,
    until_up,
};

fn devhub() -> Schema {
    "devhub".parse().unwrap()
}

/// An INSERT into the table of the schema devhub.
fn insert_into_devhub(number: usize) -> String {
    plain_insert(number).replacen("oasis_events", "devhub.oasis_events", 1)
}

/// Listens to the notifications of both schemas. The receiver gets the channel of each notification.
async fn notifications(url: &str) -> mpsc::UnboundedReceiver<String> {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let (send, receive) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures_util::stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message {
                let _ = send.send(notification.channel().to_owned());
            }
        }
    });
    client.batch_execute("LISTEN oasis_events; LISTEN \"devhub.oasis_events\"").await.unwrap();
    // The session must stay open.
    tokio::spawn(async move {
        let _client = client;
        std::future::pending::<()>().await;
    });
    receive
}

async fn tasks(updates: &mut mpsc::UnboundedReceiver<Update>, count: usize) -> Vec<String> {
    let events: Vec<StoredEvent> = collect(updates, count).await;
    events.iter().map(|event| event.task.as_str().to_owned()).collect()
}

#[tokio::test]
async fn two_schemas_have_their_own_events_notifications_and_locks() {
    let db = database().await;
    migrate_in(&parse(&db.url), &devhub()).await.unwrap();
    let (public, ours) = (store(&db.url), store_in(&db.url, &devhub()));
    for store in [&public, &ours] {
        assert_eq!(store.check(Need::ReadWrite).await, Vec::<String>::new());
        assert_eq!(store.check_watch().await, Vec::<String>::new());
    }
    let (mut public_updates, mut our_updates) = (follow(public.tail()), follow(ours.tail()));
    until_up(&mut public_updates).await;
    until_up(&mut our_updates).await;
    let mut channels = notifications(&db.url).await;
    let (to_public, to_ours) = (public.appender().unwrap(), ours.appender().unwrap());
    // Both schemas accept the same dedup key.
    to_ours.append(vec![new("DEV-OURS-0001", Some("k"))], Instant::now()).await.unwrap();
    let stored = to_public.append(vec![new("DEV-PUBLIC-0001", Some("k"))], Instant::now()).await.unwrap();
    assert!(!stored[0].duplicate);
    assert_eq!(tasks(&mut our_updates, 1).await, ["DEV-OURS-0001"]);
    assert_eq!(tasks(&mut public_updates, 1).await, ["DEV-PUBLIC-0001"]);

    // The locks of the pollers and the cursors are separate too.
    let lock = ours.watch_lock().await.unwrap().expect("no poller of this schema holds the lock");
    let other = public.watch_lock().await.unwrap().expect("no poller of this schema holds the lock");
    assert!(ours.watch_lock().await.unwrap().is_none());
    lock.release().await;
    other.release().await;
    let state = WatchState { cursor: "2026-01-02T03:04:05Z".parse().unwrap(), walk: None };
    ours.keep_watch_state("acme", &state, &[]).await.unwrap();
    assert_eq!(ours.watch_state("acme").await.unwrap(), Some(state));
    assert_eq!(public.watch_state("acme").await.unwrap(), None);

    // Retention of one schema neither deletes nor hides events of the other.
    let pruned = ours.prune(&Family::devhub(), Duration::ZERO, |_| ()).await.unwrap();
    assert_eq!(pruned.rows, 1);
    while !matches!(next(&mut our_updates).await, Update::Pruned(_)) {}
    assert_eq!(public.page(&PageQuery::ticker(None, newest(), 9)).await.unwrap().events.len(), 1);

    // Each append or prune notifies only the readers of its schema.
    to_public.append(vec![new("DEV-PUBLIC-0002", None)], Instant::now()).await.unwrap();
    let mut notified = Vec::new();
    while notified.len() < 4 {
        notified.push(channels.recv().await.unwrap());
    }
    assert_eq!(notified, ["devhub.oasis_events", "oasis_events", "devhub.oasis_events", "oasis_events"]);
    assert_eq!(tasks(&mut public_updates, 1).await, ["DEV-PUBLIC-0002"]);
    assert!(our_updates.try_recv().is_err(), "an append to one schema must not reach the readers of another");
}

fn newest() -> Order {
    Order::NewestFirst { before: None }
}

/// While a step of one schema is in progress, the other schema works and can be migrated.
#[tokio::test]
async fn a_migration_of_one_schema_does_not_block_another_schema() {
    let db = database().await;
    let public = store(&db.url);
    let mut updates = follow(public.tail());
    until_up(&mut updates).await;
    let script = migration_script(&devhub());
    let migrator = client(&db.url).await;
    let mut transactions = script.split_inclusive("\nCOMMIT;\n");
    migrator.batch_execute(transactions.next().unwrap()).await.unwrap();
    let first_step = transactions.next().unwrap().trim_end().trim_end_matches("COMMIT;");
    migrator.batch_execute(first_step).await.unwrap();

    assert_eq!(oasis_store::migrate(&parse(&db.url)).await.unwrap().applied, Vec::<String>::new());
    assert_eq!(public.check(Need::ReadWrite).await, Vec::<String>::new());
    public.appender().unwrap().append(vec![new("DEV-TEST-0001", None)], Instant::now()).await.unwrap();
    assert_eq!(tasks(&mut updates, 1).await, ["DEV-TEST-0001"]);
    let other: Schema = "user".parse().unwrap();
    migrate_in(&parse(&db.url), &other).await.unwrap();
    assert_eq!(store_in(&db.url, &other).check(Need::ReadWrite).await, Vec::<String>::new());

    migrator.batch_execute("COMMIT").await.unwrap();
    assert_eq!(migrate_in(&parse(&db.url), &devhub()).await.unwrap().applied[0], "V2__channels");
    client(&db.url).await.batch_execute(&insert_into_devhub(2)).await.unwrap();
    assert_eq!(store_in(&db.url, &devhub()).head().await.unwrap(), 1);
}

/// The database has no table of OASIS DevHub in the schema `public`, so a statement that names this schema
/// would fail.
#[tokio::test]
async fn every_operation_works_in_another_schema() {
    let db = testing::empty_database().await;
    let reasons = store_in(&db.url, &devhub()).check(Need::ReadWrite).await;
    assert_eq!(
        reasons,
        ["the database has no table devhub.oasis_events: run `oasis migrate --oasis-schema devhub`"]
    );
    let migrated = migrate_in(&parse(&db.url), &devhub()).await.unwrap();
    assert_eq!(migrated.applied.len() as i64, migrated.version);
    let store = store_in(&db.url, &devhub());
    assert_eq!(store.check(Need::ReadWrite).await, Vec::<String>::new());
    assert_eq!(store.check_watch().await, Vec::<String>::new());
    let mut updates = follow(store.tail().recent(20));
    until_up(&mut updates).await;
    let appender = store.appender().unwrap();
    for duplicate in [false, true] {
        let appended = appender.append(vec![new("DEV-TEST-0001", Some("k"))], Instant::now()).await.unwrap();
        assert_eq!((appended[0].id, appended[0].duplicate), (Some(1), duplicate));
    }
    assert_eq!(tasks(&mut updates, 1).await, ["DEV-TEST-0001"]);

    let only = filter("devhub", [("vtid", vec!["DEV-TEST-0001".to_owned()])]);
    let bounds = PageQuery {
        until: Some("2026-06-01T00:00:00Z".parse().unwrap()),
        since: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        ..PageQuery::ticker(Some(&only), newest(), 50)
    };
    for query in [PageQuery::ticker(Some(&only), newest(), 50), PageQuery::ticker(None, newest(), 50), bounds]
    {
        assert_eq!(store.page(&query).await.unwrap().events.len(), 1);
    }
    // Two thousand newer rows of other tasks make the page by time use its index.
    let many = insert_into_devhub(2).replace("VALUES (", "SELECT ").replace("event')", "event'");
    let many = many.replace("now()", "'2026-02-01'") + " FROM generate_series(1, 2000)";
    client(&db.url).await.batch_execute(&many).await.unwrap();
    let all = filter("devhub", []);
    let early = PageQuery {
        until: Some("2026-01-31T00:00:00Z".parse().unwrap()),
        ..PageQuery::ticker(Some(&all), newest(), 50)
    };
    assert_eq!(store.page(&early).await.unwrap().events.len(), 1);
    assert_eq!(store.replay(&all, i64::MAX, 20).await.unwrap().events.len(), 20);
    assert_eq!(store.agents().await.unwrap(), []);
    assert!(store.accepts_appends().await.unwrap() && store.may_append().await.unwrap());
    assert!(store.head().await.unwrap() > 2000);
    let since = jiff::Timestamp::UNIX_EPOCH;
    assert_eq!(store.first_id_since(&Family::devhub(), since).await.unwrap(), Some(1));
    let room = insert_row("room:a", "room.opened", "{}").replacen("oasis_events", "devhub.oasis_events", 1);
    client(&db.url).await.batch_execute(&room).await.unwrap();
    let (id, channel) = (RoomId::parse("a").unwrap(), Channel::parse("room:a").unwrap());
    assert_eq!(store.channels::<oasis_core::RoomState>(&[channel]).await.unwrap().states.len(), 1);
    for vtid in [None, Some("DEV-TEST-0001".parse().unwrap())] {
        let rooms = usize::from(vtid.is_none());
        let query = RoomQuery { limit: 9, before: None, vtid };
        assert_eq!(store.rooms("ann", &query).await.unwrap().rooms.len(), rooms);
    }
    assert!(store.room_lines(&LineQuery::newest(id, 9)).await.unwrap().lines.is_empty());
    assert!(store.api_keys(&[[0; 32]]).await.unwrap().is_empty());
    assert_eq!(store.revoke_api_key("k").await.unwrap(), None);
    assert_eq!(store.revoke(&Revocation::Key { id: "k".into() }).await.unwrap(), 0);
    assert_eq!(store.revocations(0).await.unwrap().revocations.len(), 1);
    for family in ["room", "devhub"] {
        let family = Family::parse(family).unwrap();
        let rows = if family == Family::devhub() { 2001 } else { 0 };
        assert_eq!(store.prune(&family, Duration::ZERO, |_| ()).await.unwrap().rows, rows);
    }
    let public = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(client(&db.url).await.query_one(public, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// A role that may not create a schema gets a hint. If the owner follows the hint, the migration works.
#[tokio::test]
async fn a_role_that_may_not_create_the_schema_gets_a_hint_that_works() {
    let db = testing::empty_database().await;
    let owner = client(&db.url).await;
    let role = format!("oasis_schemas_{}", std::process::id());
    owner.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    let mut url = url::Url::parse(&db.url).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("pw")).unwrap();
    let error = migrate_in(&parse(url.as_str()), &devhub()).await.unwrap_err().to_string();
    assert!(error.contains("may not create the schema devhub"), "{error}");
    let (_, hint) = error.split_once("create the schema first: ").unwrap();
    owner.batch_execute(hint.trim_end_matches('.')).await.unwrap();
    migrate_in(&parse(url.as_str()), &devhub()).await.unwrap();
    assert_eq!(store_in(url.as_str(), &devhub()).check(Need::ReadWrite).await, Vec::<String>::new());

    // A role without USAGE can't even see whether there are tables.
    let other = format!("{role}_other");
    owner.batch_execute(&format!("CREATE ROLE {other} LOGIN PASSWORD 'pw'")).await.unwrap();
    url.set_username(&other).unwrap();
    let reasons = store_in(url.as_str(), &devhub()).check(Need::Read).await;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].contains("GRANT USAGE ON SCHEMA \"devhub\""), "{reasons:?}");
    owner
        .batch_execute(&format!(
            "REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}, {other}"
        ))
        .await
        .unwrap();
}
