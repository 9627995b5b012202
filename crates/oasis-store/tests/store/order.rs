//! Tests that ids are in commit order, which all readers rely on. Also tests each guard of this order.

use std::collections::BTreeSet;

use tokio_postgres::error::SqlState;

use crate::{client, collect, database, follow, insert_row, plain_insert, store, until_up};

/// Eight connections write 20,000 rows while two tails follow the table. Some transactions commit late, and
/// some are rolled back. This test fails without the ordering trigger.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tails_read_every_row_of_overlapping_writers_once_in_id_order() {
    const WRITERS: usize = 8;
    const ROWS: usize = 2_500;
    let db = database().await;
    let store = store(&db.url);
    let (mut first, mut second) = (follow(store.tail()), follow(store.tail()));
    until_up(&mut first).await;
    until_up(&mut second).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let url = db.url.clone();
        writers.spawn(async move {
            let client = client(&url).await;
            client.batch_execute("SET lock_timeout = 0").await.unwrap();
            let mut committed = 0;
            let mut turn = 0;
            while committed < ROWS {
                turn += 1;
                let rows = (1 + (turn * 7 + writer * 3) % 9).min(ROWS - committed);
                let roll_back = (turn + writer) % 11 == 0;
                let mut sql = String::from("BEGIN;");
                for row in 0..rows {
                    sql.push_str(&plain_insert(row));
                    sql.push(';');
                }
                // Some transactions stay open for a while after their last row.
                if (turn + writer) % 13 == 0 {
                    sql.push_str("SELECT pg_sleep(0.005);");
                }
                sql.push_str(if roll_back { "ROLLBACK" } else { "COMMIT" });
                client.batch_execute(&sql).await.unwrap();
                committed += if roll_back { 0 } else { rows };
            }
        });
    }
    let (first, second) =
        tokio::join!(collect(&mut first, WRITERS * ROWS), collect(&mut second, WRITERS * ROWS));
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let seen: Vec<i64> = first.iter().map(|event| event.id).collect();
    assert!(seen.is_sorted_by(|a, b| a < b), "the ids must ascend");
    assert_eq!(seen, second.iter().map(|event| event.id).collect::<Vec<_>>());
    let rows = client(&db.url).await.query("SELECT id FROM oasis_events ORDER BY id", &[]).await.unwrap();
    assert_eq!(seen, rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), "each row must be read once");
}

#[tokio::test]
async fn the_table_is_append_only() {
    let db = database().await;
    let client = client(&db.url).await;
    client.batch_execute(&plain_insert(1)).await.unwrap();
    for sql in [
        "UPDATE oasis_events SET status = 'success'",
        "UPDATE oasis_events SET id = DEFAULT",
        "TRUNCATE oasis_events",
        "TRUNCATE oasis_events RESTART IDENTITY",
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, dedup_key) \
         VALUES \
         (now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', 'UNSET-CORE-EVENT', \
         'vt/UNSET-event', 'a') \
         ON CONFLICT (dedup_key) WHERE dedup_key IS NOT NULL DO UPDATE SET status = 'success'",
        "MERGE INTO oasis_events USING (SELECT 1) AS one ON true WHEN MATCHED THEN UPDATE \
         SET status = 'info'",
    ] {
        let error = client.batch_execute(sql).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE), "{sql}: {error:?}");
    }
    client.batch_execute("SET session_replication_role = replica").await.unwrap();
    assert!(client.batch_execute("UPDATE oasis_events SET status = 'success'").await.is_err());
    client.batch_execute("DELETE FROM oasis_events").await.expect("retention must be able to delete rows");
}

#[tokio::test]
async fn a_writer_cannot_choose_an_id() {
    let db = database().await;
    let client = client(&db.url).await;
    let columns = "id, ts, vtid, layer, module, source, kind, status, title, ref";
    let values = "7, now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', 'UNSET-CORE-EVENT', \
        'vt/UNSET-event'";
    let plain =
        client.batch_execute(&format!("INSERT INTO oasis_events ({columns}) VALUES ({values})")).await;
    assert_eq!(plain.unwrap_err().code(), Some(&SqlState::GENERATED_ALWAYS));
}

/// With the documented rights, a role can insert rows, but can neither set an id nor take the lock.
#[tokio::test]
async fn a_role_with_the_documented_rights_can_only_insert() {
    let db = database().await;
    let owner = client(&db.url).await;
    let role = format!("oasis_role_{}", std::process::id());
    let documented = format!(
        "CREATE ROLE {role}; \
         GRANT INSERT (ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta, \
         dedup_key) \
             ON oasis_events TO {role}; \
         CREATE POLICY {role} ON oasis_events TO {role} USING (true) WITH CHECK (true);"
    );
    owner.batch_execute(&documented).await.unwrap();
    owner.batch_execute(&plain_insert(1)).await.unwrap();
    owner.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
    owner.batch_execute(&plain_insert(2)).await.expect("the role must be able to insert");
    owner.batch_execute(&insert_row("room:a", "room.opened", "{}")).await.expect("the room must get a state");
    for forbidden in [
        "SELECT FROM oasis_channels",
        "UPDATE oasis_channels SET owner = 'eve'",
        "SELECT FROM oasis_channels_rebuild('', NULL)",
        "SELECT FROM oasis_api_keys",
        "SELECT FROM oasis_events",
        "DO $$ BEGIN LOCK TABLE oasis_events_lock IN EXCLUSIVE MODE; END $$",
        "SELECT FROM oasis_feed_state",
        "DELETE FROM oasis_events",
        "INSERT INTO oasis_events (id, ts, vtid, layer, module, source, kind, status, title, ref) \
         OVERRIDING SYSTEM VALUE \
         VALUES (7, now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', 'UNSET-CORE-EVENT', \
         'vt/UNSET-event')",
        "CREATE TEMP TABLE t (); CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION oasis_events_order()",
    ] {
        let error = owner.batch_execute(forbidden).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{forbidden}: {error:?}");
    }
    // The search_path of the writer does not change which functions the trigger calls.
    owner
        .batch_execute(&format!(
            "RESET ROLE; CREATE SCHEMA evil AUTHORIZATION {role}; SET ROLE {role}; \
             CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT 1/0; \
             SELECT $1'; \
             SET search_path = evil, pg_catalog, public; SET synchronous_commit = off; {}",
            plain_insert(3)
        ))
        .await
        .unwrap();
    owner
        .batch_execute(&format!(
            "RESET ROLE; DROP SCHEMA evil CASCADE; DROP OWNED BY {role}; DROP ROLE {role}"
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_writer_cannot_commit_asynchronously_or_keep_an_idle_transaction_open() {
    let db = database().await;
    let client = client(&db.url).await;
    let setting =
        async |name: &str| -> String { client.query_one(&format!("SHOW {name}"), &[]).await.unwrap().get(0) };
    for (before, during) in [("off", "local"), ("on", "on"), ("remote_apply", "remote_apply")] {
        client.batch_execute(&format!("SET synchronous_commit = {before}")).await.unwrap();
        client.batch_execute(&format!("BEGIN; {}", plain_insert(1))).await.unwrap();
        assert_eq!(setting("synchronous_commit").await, during);
        client.batch_execute("COMMIT").await.unwrap();
        assert_eq!(setting("synchronous_commit").await, before);
    }
    for (before, during) in [("0", "15s"), ("1h", "15s"), ("2s", "2s")] {
        let name = "idle_in_transaction_session_timeout";
        client.batch_execute(&format!("SET {name} = '{before}'")).await.unwrap();
        client.batch_execute(&format!("BEGIN; {}", plain_insert(1))).await.unwrap();
        assert_eq!(setting(name).await, during);
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(setting(name).await, before);
    }
}

/// The server ends the wait for the lock, so a row cannot be stored after its writer has given up.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_ends_a_long_wait_for_the_lock() {
    let db = database().await;
    let (holder, waiter) = (client(&db.url).await, client(&db.url).await);
    holder.batch_execute(&format!("BEGIN; {}", plain_insert(1))).await.unwrap();
    waiter.batch_execute("SET lock_timeout = '1h'").await.unwrap();
    let started = std::time::Instant::now();
    let error = waiter.batch_execute(&plain_insert(2)).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::LOCK_NOT_AVAILABLE));
    assert!((2.9..3.5).contains(&started.elapsed().as_secs_f64()), "{:?}", started.elapsed());
    holder.batch_execute("ROLLBACK").await.unwrap();
    waiter.batch_execute(&plain_insert(3)).await.unwrap();
}

/// An insert of rows notifies the readers once. An insert without rows, or with duplicates only, does not
/// notify the readers.
#[tokio::test]
async fn only_inserts_of_rows_notify_the_readers() {
    let db = database().await;
    let client = client(&db.url).await;
    let (listener, mut connection) = tokio_postgres::connect(&db.url, tokio_postgres::NoTls).await.unwrap();
    let (send, mut payloads) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let tokio_postgres::AsyncMessage::Notification(notification) = message {
                send.send(notification.payload().to_owned()).unwrap();
            }
        }
    });
    listener.batch_execute("LISTEN oasis_events").await.unwrap();
    let keyed = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, \
        dedup_key) VALUES \
         (now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', 'UNSET-CORE-EVENT', \
         'vt/UNSET-event', 'a') \
         ON CONFLICT DO NOTHING";
    client.batch_execute(keyed).await.unwrap();
    client.batch_execute(keyed).await.unwrap();
    client.batch_execute(&keyed.replace("VALUES (", "SELECT ").replace("'a')", "'b' WHERE false")).await.ok();
    client.batch_execute("NOTIFY oasis_events, 'end'").await.unwrap();
    assert_eq!(payloads.recv().await.unwrap(), "");
    assert_eq!(payloads.recv().await.unwrap(), "end");
}

/// Every form of INSERT takes the lock before it takes an id from the sequence. While one transaction holds
/// the lock, no other transaction takes an id.
#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_insert_waits_for_the_lock_before_it_takes_an_id() {
    let db = database().await;
    let holder = client(&db.url).await;
    let row = "now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', 'UNSET-CORE-EVENT', \
        'vt/UNSET-event'";
    let columns = "ts, vtid, layer, module, source, kind, status, title, ref";
    holder
        .batch_execute(&format!("CREATE VIEW through AS SELECT {columns} FROM oasis_events"))
        .await
        .unwrap();
    for (nth, sql) in [
        format!("INSERT INTO oasis_events ({columns}) VALUES ({row}), ({row})"),
        format!("INSERT INTO oasis_events ({columns}) SELECT {row} FROM generate_series(1, 3)"),
        format!(
            "WITH w AS (INSERT INTO oasis_events ({columns}) VALUES ({row}) RETURNING id) \
             SELECT * FROM w"
        ),
        format!("INSERT INTO through VALUES ({row})"),
        format!(
            "MERGE INTO oasis_events USING (SELECT 1) AS one ON false WHEN NOT MATCHED THEN \
             INSERT ({columns}) VALUES ({row})"
        ),
    ]
    .into_iter()
    .enumerate()
    {
        holder.batch_execute("BEGIN; LOCK TABLE oasis_events_lock IN EXCLUSIVE MODE").await.unwrap();
        let last_id = "SELECT last_value FROM oasis_events_id_seq";
        let before: i64 = holder.query_one(last_id, &[]).await.unwrap().get(0);
        let writer = client(&db.url).await;
        let pid: i32 = writer.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let insert = tokio::spawn(async move { writer.batch_execute(&sql).await });
        let waits = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted";
        while holder.query_one(waits, &[&pid]).await.unwrap().get::<_, i64>(0) == 0 {
            assert!(!insert.is_finished(), "form {nth} did not wait for the lock");
        }
        let after: i64 = holder.query_one(last_id, &[]).await.unwrap().get(0);
        assert_eq!(before, after, "form {nth} took an id before the lock");
        holder.batch_execute("COMMIT").await.unwrap();
        insert.await.unwrap().unwrap();
    }
    let rows = holder.query("SELECT id FROM oasis_events", &[]).await.unwrap();
    let ids: BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(ids.len(), 8);
}
