//! Tests what a migration needs from its session and what it leaves behind: the transactions that it sends,
//! its lock, and the settings that change the meaning of SQL.

use std::sync::{Arc, Mutex};

use oasis_postgres::testing;
use oasis_store::{MigrateError, Need, Schema, migrate_in, migration_script};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::behind_proxy::proxied;
use crate::{client, new, parse, plain_insert, store};

/// The settings of a session that a migration changes, and the number of its advisory locks.
pub(crate) async fn session_state(client: &Client) -> Vec<String> {
    let sql = "SELECT current_setting('search_path'), current_setting('statement_timeout'), \
                 current_setting('lock_timeout'), current_setting('client_min_messages'), \
                 current_setting('standard_conforming_strings'), \
                 (SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND database = \
                    (SELECT oid FROM pg_database WHERE datname = current_database()))";
    let rows = client.query_typed(sql, &[]).await.unwrap();
    (0..6).map(|column| rows[0].get(column)).collect()
}

/// The transactions of a printed script.
fn transactions(script: &str) -> Vec<String> {
    let transactions = script.split_inclusive("\nCOMMIT;\n");
    transactions.map(|one| one[one.find("BEGIN ISOLATION").unwrap()..].to_owned()).collect()
}

#[tokio::test]
async fn migrate_executes_exactly_the_printed_script() {
    for name in ["public", "devhub"] {
        let (db, schema) = (testing::empty_database().await, name.parse::<Schema>().unwrap());
        let sent = Arc::new(Mutex::new(Vec::new()));
        let record = {
            let sent = sent.clone();
            move |kind: u8, message: &mut [u8]| {
                // `Q` is a statement of the simple protocol, and `P` is a statement of the extended protocol.
                if matches!(kind, b'Q' | b'P') {
                    let text = String::from_utf8(message.to_vec()).unwrap();
                    sent.lock().unwrap().push((kind, text.trim_matches('\0').to_owned()));
                }
            }
        };
        let url = parse(&proxied(&db.url, record).await);
        let script = migration_script(&schema);
        // The second run sends the same transactions, which then do nothing.
        for _ in 0..2 {
            migrate_in(&url, &schema).await.unwrap();
            let sent = std::mem::take(&mut *sent.lock().unwrap());
            let (statements, reads): (Vec<_>, Vec<_>) = sent.into_iter().partition(|(kind, _)| *kind == b'Q');
            let statements: Vec<String> = statements.into_iter().map(|(_, text)| text).collect();
            assert_eq!(statements, transactions(&script));
            assert!(reads.iter().all(|(_, text)| text.starts_with("SELECT ")), "{reads:?}");
        }
    }
}

#[tokio::test]
async fn a_migration_leaves_nothing_in_its_session() {
    let db = testing::empty_database().await;
    let session = client(&db.url).await;
    let before = session_state(&session).await;
    assert_eq!(before[5], "0");
    for transaction in transactions(&migration_script(&Schema::default())) {
        session.batch_execute(&transaction).await.unwrap();
        assert_eq!(session_state(&session).await, before);
    }
    // A transaction that fails leaves nothing either.
    session.batch_execute("UPDATE oasis_schema_history SET checksum = '7'").await.unwrap();
    let script = migration_script(&Schema::default());
    session.batch_execute(&script).await.unwrap_err();
    session.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(session_state(&session).await, before);
}

/// Older versions held a lock of the session. Through a pooler, the lock could outlive the program. The test
/// shortens the wait of 30 s.
#[tokio::test]
async fn a_migration_waits_a_bounded_time_and_names_the_session_that_holds_the_lock() {
    let db = testing::empty_database().await;
    let holder = client(&db.url).await;
    holder.batch_execute("SET application_name = 'an older build'").await.unwrap();
    let pid: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let user: String = holder.query_one("SELECT current_user::text", &[]).await.unwrap().get(0);
    for (name, key) in
        [("public", "478376323443"), ("devhub", "hashtextextended('devhub.oasis_schema_history', 0)")]
    {
        holder.batch_execute(&format!("SELECT pg_advisory_lock({key})")).await.unwrap();
        let script = migration_script(&name.parse().unwrap());
        assert!(script.contains("SET LOCAL lock_timeout = '30 s';"));
        let script = script.replace("30 s", "50 ms");
        let waiter = client(&db.url).await;
        let error = waiter.batch_execute(&script).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        let words = format!(
            "session {pid} (user {user}, application \"an older build\") has held the lock for migrations of \
             the schema {name} for more than 50 ms; nothing was changed"
        );
        assert_eq!(error.message(), words);
        assert!(error.hint().unwrap().contains(&format!("SELECT pg_terminate_backend({pid})")));
        // The lock of one schema does not delay another schema.
        migrate_in(&parse(&db.url), &"user".parse().unwrap()).await.unwrap();
        holder.batch_execute(&format!("SELECT pg_advisory_unlock({key})")).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_cannot_store_every_text_is_refused() {
    let db = testing::empty_database().await;
    let admin = client(&db.url).await;
    let name: String = admin.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let other = format!("{name}_{}", encoding.to_lowercase());
        let create = format!(
            "CREATE DATABASE {other} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        );
        admin.batch_execute(&create).await.unwrap();
        let mut url = url::Url::parse(&db.url).unwrap();
        url.set_path(&other);
        let session = client(url.as_str()).await;
        let error = oasis_store::migrate(&parse(url.as_str())).await.unwrap_err();
        assert!(matches!(error, MigrateError::Failed(_)), "{error}");
        let printed = session.batch_execute(&migration_script(&Schema::default())).await.unwrap_err();
        let printed = printed.as_db_error().unwrap();
        let printed = format!("{}. {}", printed.message(), printed.hint().unwrap());
        for text in [error.to_string(), printed] {
            assert!(text.contains(&format!("the database has the encoding {encoding}")), "{text}");
            assert!(text.contains("ENCODING UTF8 TEMPLATE template0"), "{text}");
        }
        session.batch_execute("ROLLBACK").await.unwrap();
        let reasons = store(url.as_str()).check(Need::Read).await;
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].contains(&format!("the encoding {encoding}")), "{reasons:?}");
        drop(session);
        admin.batch_execute(&format!("DROP DATABASE {other} WITH (FORCE)")).await.unwrap();
    }
}

/// Settings of a database or a role that change the meaning of SQL or the form of its output.
const SETTINGS: [&str; 7] = [
    "standard_conforming_strings = off",
    "search_path = nowhere",
    "timezone = 'Asia/Kolkata'",
    "datestyle = 'SQL, DMY'",
    "quote_all_identifiers = on",
    "default_transaction_isolation = 'serializable'",
    "client_min_messages = 'error'",
];

/// The definitions of all constraints.
async fn constraints(client: &Client) -> Vec<String> {
    let sql = "SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
               WHERE connamespace = 'public'::regnamespace ORDER BY 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn the_settings_of_a_database_do_not_change_what_a_migration_creates() {
    let fresh = crate::database().await;
    let fresh = constraints(&client(&fresh.url).await).await;
    for printed in [false, true] {
        let db = testing::empty_database().await;
        let plain = client(&db.url).await;
        let name: String = plain.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
        for setting in SETTINGS {
            plain.batch_execute(&format!("ALTER DATABASE {name} SET {setting}")).await.unwrap();
        }
        if printed {
            let script = migration_script(&Schema::default());
            client(&db.url).await.batch_execute(&script).await.unwrap();
        } else {
            let migrated = oasis_store::migrate(&parse(&db.url)).await.unwrap();
            assert_eq!(migrated.applied.len() as i64, migrated.version);
        }
        assert_eq!(constraints(&plain).await, fresh);
        let store = store(&db.url);
        assert_eq!(store.check(Need::ReadWrite).await, Vec::<String>::new());
        store.appender().unwrap().append(vec![new("DEV-TEST-0001", None)], Instant::now()).await.unwrap();
        let bad = plain_insert(1)
            .replace("'event'", "'a!b'")
            .replace("-EVENT'", "-A!B'")
            .replace("-event'", "-a!b'");
        let refused = plain.batch_execute(&bad).await.unwrap_err();
        assert_eq!(refused.as_db_error().unwrap().constraint(), Some("oasis_events_kind"));
    }
}
