//! Tests how long a role with only the right to INSERT can hold the writers' lock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use oasis_postgres::testing;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::{client, database, parse, plain_insert};

/// An INSERT of no row. It takes the lock too.
const NOTHING: &str = "\
    INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref) \
    SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', '', '' WHERE false";

/// The error that ends a transaction because of `transaction_timeout`.
const TRANSACTION_TIMEOUT: &str = "25P04";

/// Makes a role that may only append, and gives its rights to `session`, which is a session of the owner.
async fn become_a_writer(session: &Client) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let role = format!("oasis_writer_{}_{count}", std::process::id());
    let sql = format!(
        "CREATE ROLE {role}; \
         GRANT INSERT (ts, vtid, layer, module, source, kind, status, title, ref) ON oasis_events TO {role}; \
         CREATE POLICY {role} ON oasis_events TO {role} USING (true) WITH CHECK (true); \
         SET SESSION AUTHORIZATION {role}"
    );
    session.batch_execute(&sql).await.unwrap();
    role
}

async fn drop_the_writer(session: &Client, role: &str) {
    let sql = format!("RESET SESSION AUTHORIZATION; DROP OWNED BY {role}; DROP ROLE {role}");
    session.batch_execute(&sql).await.unwrap();
}

async fn setting(session: &Client, name: &str) -> String {
    session.query_one(&format!("SHOW {name}"), &[]).await.unwrap().get(0)
}

/// The setting that limits what may follow an INSERT in its transaction.
async fn limit(session: &Client) -> &'static str {
    let version: i32 = setting(session, "server_version_num").await.parse().unwrap();
    if version >= 170_000 { "transaction_timeout" } else { "statement_timeout" }
}

#[tokio::test]
async fn what_follows_an_insert_in_its_transaction_is_limited_except_for_the_owner() {
    let db = database().await;
    let session = client(&db.url).await;
    let name = limit(&session).await;
    let during = async |before: &str, insert: &str| {
        session.batch_execute(&format!("SET {name} = '{before}'; BEGIN; {insert}")).await.unwrap();
        let during = setting(&session, name).await;
        session.batch_execute("COMMIT").await.unwrap();
        assert_eq!(setting(&session, name).await, before, "the limit ends with the transaction");
        during
    };
    assert_eq!(during("0", &plain_insert(1)).await, "0", "the owner has no limit");
    let role = become_a_writer(&session).await;
    for (before, expected) in [("0", "15s"), ("1h", "15s"), ("2s", "2s")] {
        assert_eq!(during(before, &plain_insert(2)).await, expected);
        assert_eq!(during(before, NOTHING).await, expected);
    }
    drop_the_writer(&session, &role).await;
}

/// Holds the lock with a busy session of a writer. Expects that the server ends this, and that the lock is
/// free then.
async fn hold_the_lock(url: &str) {
    let (session, other) = (client(url).await, client(url).await);
    let name = limit(&session).await;
    let role = become_a_writer(&session).await;
    // A timer that runs already must not keep the limit from taking effect.
    session.batch_execute(&format!("SET {name} = '1h'")).await.unwrap();
    session.batch_execute(&format!("BEGIN; {NOTHING}")).await.unwrap();
    let error = session.batch_execute("SELECT pg_sleep(60)").await.unwrap_err();
    let expected =
        if name == "statement_timeout" { SqlState::QUERY_CANCELED.code() } else { TRANSACTION_TIMEOUT };
    assert_eq!(error.code().map(SqlState::code), Some(expected), "{error:?}");
    other.batch_execute(&plain_insert(1)).await.expect("the lock must be free");
    drop(session);
    drop_the_writer(&other, &role).await;
}

#[tokio::test]
async fn a_statement_that_follows_an_insert_ends_after_15_s() {
    hold_the_lock(&database().await.url).await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL of npm, which has version 17; .ci/run runs this test"]
async fn version_17_ends_the_whole_transaction_after_15_s() {
    let cluster = testing::downloaded_cluster(&[]).await;
    let url = cluster.url("postgres");
    oasis_store::migrate(&parse(&url)).await.unwrap();
    // One short statement after the other.
    let (session, other) = (client(&url).await, client(&url).await);
    let role = become_a_writer(&session).await;
    session.batch_execute(&format!("BEGIN; {NOTHING}")).await.unwrap();
    let started = Instant::now();
    let mut last = Ok(());
    while last.is_ok() && started.elapsed() < Duration::from_secs(60) {
        last = session.batch_execute("SELECT pg_sleep(0.1)").await;
    }
    let error = last.unwrap_err();
    assert_eq!(error.code().map(SqlState::code), Some(TRANSACTION_TIMEOUT), "{error:?}");
    drop_the_writer(&other, &role).await;
    hold_the_lock(&url).await;
}
