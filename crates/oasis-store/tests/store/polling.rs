//! Tests the tail where notifications do not work: on a standby, and where rows appear without a
//! notification.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oasis_postgres::testing;
use oasis_store::{Update, WhyPoll};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::Client;

use crate::{client, collect, database, follow, next, parse, plain_insert, store, until_up};

/// Waits until the tail reports that it polls, and returns the reason.
async fn until_polling(updates: &mut UnboundedReceiver<Update>) -> WhyPoll {
    loop {
        if let Update::Up { polls: Some(why) } = next(updates).await {
            return why;
        }
    }
}

/// A standby refuses LISTEN and NOTIFY. After its promotion, it accepts both.
#[tokio::test(flavor = "multi_thread")]
async fn a_tail_follows_a_standby_and_listens_after_its_promotion() {
    let primary = Arc::new(testing::cluster().await);
    let standby = primary.standby().await;
    let url = primary.url("postgres");
    oasis_store::migrate(&parse(&url)).await.unwrap();
    let writer = client(&url).await;
    writer.batch_execute(&plain_insert(1)).await.unwrap();

    let mut updates = follow(store(&standby.url("postgres")).tail().sweep(Duration::from_millis(100)));
    let why = until_polling(&mut updates).await;
    assert!(matches!(why, WhyPoll::ListenRefused(_)), "{why}");
    assert!(why.to_string().contains("LISTEN_DATABASE_URL"), "{why}");
    writer.batch_execute(&plain_insert(2)).await.unwrap();
    while collect(&mut updates, 1).await.last().unwrap().task.as_str() != "DEV-TEST-000002" {}

    // The tail keeps its connection during the promotion.
    client(&standby.url("postgres")).await.batch_execute("SELECT pg_promote()").await.unwrap();
    until_up(&mut updates).await;
}

/// It does not matter whether the tail has listened successfully before.
#[tokio::test]
async fn rows_without_a_notification_make_the_tail_poll() {
    let db = database().await;
    let sql = client(&db.url).await;
    let mut updates = follow(store(&db.url).tail().sweep(Duration::from_millis(300)));
    until_up(&mut updates).await;
    sql.batch_execute(&plain_insert(1)).await.unwrap();
    assert_eq!(collect(&mut updates, 1).await[0].id, 1);

    sql.batch_execute("ALTER TABLE oasis_events DISABLE TRIGGER oasis_events_notify").await.unwrap();
    let mut number = 1;
    let why = insert_until(&sql, &mut updates, &mut number, |polls| polls.is_some()).await;
    assert_eq!(why, Some(WhyPoll::Unannounced));

    // The tail stops polling after a notification has announced rows.
    sql.batch_execute("ALTER TABLE oasis_events ENABLE ALWAYS TRIGGER oasis_events_notify").await.unwrap();
    insert_until(&sql, &mut updates, &mut number, Option::is_none).await;
}

/// Inserts rows one by one, until the tail reports a reason to poll for which `expected` is true. One row is
/// not always enough, because a late notification can announce a later row.
async fn insert_until(
    sql: &Client,
    updates: &mut UnboundedReceiver<Update>,
    number: &mut usize,
    expected: impl Fn(&Option<WhyPoll>) -> bool,
) -> Option<WhyPoll> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        *number += 1;
        sql.batch_execute(&plain_insert(*number)).await.unwrap();
        assert!(Instant::now() < deadline, "the tail has not changed");
        loop {
            match next(updates).await {
                Update::Up { polls } if expected(&polls) => return polls,
                Update::Events(_) => break,
                _ => {}
            }
        }
    }
}

/// DATABASE_URL may lead to a standby, and LISTEN_DATABASE_URL to the primary.
#[tokio::test(flavor = "multi_thread")]
async fn the_tail_listens_on_the_primary_while_other_reads_use_a_standby() {
    let primary = Arc::new(testing::cluster().await);
    let standby = primary.standby().await;
    let (direct, other) = (primary.url("postgres"), standby.url("postgres"));
    oasis_store::migrate(&parse(&direct)).await.unwrap();
    let flags = ["test", "--database-url", &other, "--listen-database-url", &direct];
    let args = <crate::pages::Flags as clap::Parser>::try_parse_from(flags).unwrap().database;
    let mut updates = follow(oasis_store::Store::new(args, "test").unwrap().tail());
    until_up(&mut updates).await;
    client(&direct).await.batch_execute(&plain_insert(1)).await.unwrap();
    assert_eq!(collect(&mut updates, 1).await[0].id, 1);
}

/// A subscriber runs no statement triggers for replicated rows, so these rows come without a notification.
#[tokio::test(flavor = "multi_thread")]
async fn a_tail_follows_a_logical_subscriber() {
    let (publisher, subscriber) = tokio::join!(testing::cluster(), testing::cluster());
    let (from, to) = (publisher.url("postgres"), subscriber.url("postgres"));
    client(&from).await.batch_execute("ALTER SYSTEM SET wal_level = logical").await.unwrap();
    publisher.stop().unwrap();
    publisher.restart().unwrap();
    for url in [&from, &to] {
        oasis_store::migrate(&parse(url)).await.unwrap();
    }
    let (writer, reader) = (client(&from).await, client(&to).await);
    writer.batch_execute("CREATE PUBLICATION events FOR TABLE oasis_events").await.unwrap();
    let subscribe = format!("CREATE SUBSCRIPTION events CONNECTION '{from}' PUBLICATION events");
    reader.batch_execute(&subscribe).await.unwrap();
    let synced = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'";
    while reader.query_one(synced, &[]).await.unwrap().get::<_, i64>(0) == 0 {}

    let mut updates = follow(store(&to).tail().sweep(Duration::from_millis(300)));
    until_up(&mut updates).await;
    writer.batch_execute(&plain_insert(1)).await.unwrap();
    assert_eq!(collect(&mut updates, 1).await[0].id, 1);
    assert_eq!(until_polling(&mut updates).await, WhyPoll::Unannounced);
    writer.batch_execute(&plain_insert(2)).await.unwrap();
    assert_eq!(collect(&mut updates, 1).await[0].id, 2);
}

/// A session that listens and keeps a transaction open prevents the queue of notifications from being
/// emptied. When the queue is full, each commit with a notification fails.
#[tokio::test]
#[ignore = "needs a PostgreSQL of npm, with a setting of version 17; .ci/run runs this test"]
async fn a_nearly_full_notify_queue_fails_no_append_and_the_tail_polls() {
    let cluster = testing::downloaded_cluster(&[("max_notify_queue_pages", "64")]).await;
    let url = cluster.url("postgres");
    oasis_store::migrate(&parse(&url)).await.unwrap();
    let (sql, stuck, other) = (client(&url).await, client(&url).await, client(&url).await);
    let mut updates = follow(store(&url).tail().sweep(Duration::from_millis(300)));
    until_up(&mut updates).await;
    sql.batch_execute(&plain_insert(1)).await.unwrap();
    assert_eq!(collect(&mut updates, 1).await[0].id, 1);

    // LISTEN takes effect at the end of its transaction, so the open transaction is another one.
    for statement in ["LISTEN other", "BEGIN", "SELECT 1"] {
        stuck.batch_execute(statement).await.unwrap();
    }
    let usage = async || {
        let row = sql.query_one("SELECT pg_notification_queue_usage()", &[]).await.unwrap();
        row.get::<_, f64>(0)
    };
    while usage().await < 0.75 {
        other
            .batch_execute(
                "SELECT pg_notify('other', repeat('x', 7900) || n) FROM generate_series(1, 4) AS n",
            )
            .await
            .unwrap();
    }
    let mut number = 1;
    let why = insert_until(&sql, &mut updates, &mut number, |polls| polls.is_some()).await;
    assert_eq!(why, Some(WhyPoll::Unannounced));
    // The queue has no room for the notifications of all these rows.
    for _ in 0..1_000 {
        number += 1;
        sql.batch_execute(&plain_insert(number)).await.unwrap();
    }
    let last = i64::try_from(number).unwrap();
    while collect(&mut updates, 1).await.last().unwrap().id < last {}

    stuck.batch_execute("ROLLBACK").await.unwrap();
    insert_until(&sql, &mut updates, &mut number, Option::is_none).await;
}
