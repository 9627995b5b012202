//! Tests that the callers of failed appends get the right answer in time, and that no row of a failed append
//! is stored later.

use std::time::Duration;

use oasis_core::{Meta, NewEvent};
use oasis_postgres::testing;
use oasis_store::{ANSWER_WITHIN, AppendError};
use tokio::time::Instant;

use crate::append::together;
use crate::{client, database, new, parse, plain_insert, store};

/// If the table refuses a row, for example because of a CHECK that a user added, only the append with this
/// row fails. The other appends in the same statement succeed.
#[tokio::test]
async fn a_refused_row_makes_only_its_own_append_fail() {
    let db = database().await;
    let client = client(&db.url).await;
    let own = "ALTER TABLE oasis_events ADD CONSTRAINT own CHECK (vtid <> 'DEV-TEST-6666')";
    client.batch_execute(own).await.unwrap();
    let appender = store(&db.url).appender().unwrap();
    let is_bad = |caller: usize| [0, 13, 14, 63].contains(&caller);
    let calls = (0..64).map(|caller| {
        let second = if is_bad(caller) { "DEV-TEST-6666" } else { "UNSET" };
        vec![new(&format!("DEV-TEST-{caller:06}"), None), new(second, Some(&caller.to_string()))]
    });
    for (caller, answer) in together(&appender, calls).await.into_iter().enumerate() {
        if is_bad(caller) {
            assert!(matches!(answer, Err(AppendError::Refused(_))), "{caller}: {answer:?}");
        } else {
            assert_eq!(answer.unwrap().len(), 2, "{caller}");
        }
    }
    let stored = "SELECT vtid FROM oasis_events WHERE vtid <> 'UNSET' ORDER BY vtid";
    let stored: Vec<String> = client.query(stored, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let good: Vec<String> =
        (0..64).filter(|caller| !is_bad(*caller)).map(|caller| format!("DEV-TEST-{caller:06}")).collect();
    assert_eq!(stored, good);
    let seconds = "SELECT count(*) FROM oasis_events WHERE vtid = 'UNSET'";
    assert_eq!(client.query_one(seconds, &[]).await.unwrap().get::<_, i64>(0), 60);
}

/// A log may name the rule that refused an event, and the public fields of the event. The log must not
/// contain the message of the database, because the message may contain private data of the caller.
#[tokio::test]
async fn a_refusal_names_the_rule_and_the_events_but_no_private_data() {
    let db = database().await;
    let client = client(&db.url).await;
    let rules = "ALTER TABLE oasis_events ADD CONSTRAINT own CHECK (vtid <> 'DEV-TEST-6666'); \
                 CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 RAISE '%', NEW.meta USING ERRCODE = '22023', COLUMN = 'meta'; END $$; \
                 CREATE TRIGGER tell BEFORE INSERT ON oasis_events FOR EACH ROW \
                 WHEN (NEW.vtid = 'DEV-TEST-7777') EXECUTE FUNCTION tell()";
    client.batch_execute(rules).await.unwrap();
    let appender = store(&db.url).appender().unwrap();
    let refused = async |events: Vec<NewEvent>| {
        let mut events = events;
        for event in &mut events {
            event.meta = Meta::default().with("note", Some("private"));
        }
        let error = appender.append(events, Instant::now()).await.unwrap_err();
        assert!(
            error.caller_message().is_none() && !format!("{error} {error:?}").contains("private"),
            "{error:?}"
        );
        let text = error.to_string();
        let AppendError::Refused(refusal) = error else { panic!("{error:?}") };
        (*refusal, text)
    };
    let (refusal, text) = refused(vec![new("DEV-TEST-6666", Some("private"))]).await;
    assert_eq!((refusal.sqlstate.as_str(), refusal.constraint.as_deref()), ("23514", Some("own")));
    assert_eq!((refusal.events.len(), refusal.of), (1, 1));
    assert_eq!(
        text,
        "the table refused the event: SQLSTATE 23514, constraint own; \
         vtid DEV-TEST-6666, kind task.step, source oasis.events, module CORE, channel devhub"
    );
    let (refusal, text) = refused(vec![new("DEV-TEST-7777", None)]).await;
    assert_eq!((refusal.sqlstate.as_str(), refusal.constraint), ("22023", None));
    assert_eq!(refusal.column.as_deref(), Some("meta"));
    assert!(text.contains("SQLSTATE 22023, column meta; vtid DEV-TEST-7777"), "{text}");
    // The database does not say which row it refused. So the refusal names the first few distinct events.
    let (refusal, text) =
        refused(vec![new("UNSET", None), new("UNSET", None), new("DEV-TEST-6666", None)]).await;
    assert_eq!((refusal.events.len(), refusal.of), (2, 3));
    assert!(text.contains("one of 3 events; vtid UNSET"), "{text}");
    let many = (6_660..6_760).map(|number| new(&format!("DEV-TEST-{number}"), None)).collect();
    let (refusal, text) = refused(many).await;
    assert!(refusal.of == 100 && refusal.events.len() < 10 && text.len() < 1_000, "{text}");
}

/// While another session keeps a transaction open, callers are answered within 8 s of their arrival. The rows
/// of these callers are not stored later. Appends work again after the transaction has ended.
#[tokio::test(flavor = "multi_thread")]
async fn appends_blocked_by_a_transaction_fail_in_time_and_store_nothing_later() {
    let db = database().await;
    let store = store(&db.url);
    let appender = store.appender().unwrap();
    appender.append(vec![new("UNSET", None)], Instant::now()).await.unwrap();
    let holder = client(&db.url).await;
    holder.batch_execute(&format!("BEGIN; {}", plain_insert(1))).await.unwrap();
    let active = tokio::spawn(async move {
        holder.batch_execute("SELECT pg_sleep(14)").await.unwrap();
        holder.batch_execute("COMMIT").await.unwrap();
    });
    let mut callers = tokio::task::JoinSet::new();
    let mut arrivals = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..100 {
        arrivals.tick().await;
        let appender = appender.clone();
        callers.spawn(async move {
            let arrived = Instant::now();
            let answer = appender.append(vec![new("DEV-TEST-0002", None)], arrived).await;
            (answer, arrived.elapsed())
        });
    }
    let reasons = store.check(oasis_store::Need::Write).await;
    assert!(reasons.iter().any(|reason| reason.contains("blocks the writers")), "{reasons:?}");
    let mut refused = 0;
    while let Some(caller) = callers.join_next().await {
        let (answer, took) = caller.unwrap();
        assert!(took <= ANSWER_WITHIN, "{took:?}");
        assert!(matches!(answer, Err(AppendError::Stalled)), "{answer:?}");
        refused += 1;
    }
    assert_eq!(refused, 100);
    active.await.unwrap();
    appender.append(vec![new("DEV-TEST-0003", None)], Instant::now()).await.unwrap();
    assert!(store.check(oasis_store::Need::Write).await.is_empty());
    let rows = client(&db.url).await;
    let rows = rows.query("SELECT vtid FROM oasis_events ORDER BY id", &[]).await.unwrap();
    let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, ["UNSET", "DEV-TEST-000001", "DEV-TEST-0003"]);
}

/// Every acknowledged row is stored once, even if the server is killed. Rows with a key that were not
/// acknowledged before the crash are sent again.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_rows_survive_a_crash_of_postgres() {
    let cluster = testing::cluster().await;
    let url = cluster.url("postgres");
    oasis_store::migrate(&parse(&url)).await.unwrap();
    let appender = store(&url).appender().unwrap();
    let (send, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    let mut writers = tokio::task::JoinSet::new();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for writer in 0..8 {
        let (appender, send, stop) = (appender.clone(), send.clone(), stop.clone());
        writers.spawn(async move {
            for nth in 0.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                let key = format!("{writer}-{nth}");
                if appender.append(vec![new("UNSET", Some(&key))], Instant::now()).await.is_ok() {
                    send.send(format!("test:{key}")).unwrap();
                }
            }
        });
    }
    let mut keys = Vec::new();
    for _ in 0..3 {
        for _ in 0..200 {
            keys.push(acknowledged.recv().await.unwrap());
        }
        cluster.kill().unwrap();
        cluster.restart().unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    drop(send);
    while let Some(key) = acknowledged.recv().await {
        keys.push(key);
    }
    let client = client(&url).await;
    let rows = client.query("SELECT dedup_key FROM oasis_events", &[]).await.unwrap();
    let mut stored: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    stored.sort();
    keys.sort();
    assert!(keys.is_sorted_by(|a, b| a < b));
    let missing: Vec<_> = keys.iter().filter(|key| stored.binary_search(key).is_err()).collect();
    assert!(missing.is_empty(), "these rows were acknowledged but are not stored: {missing:?}");
}

#[tokio::test]
async fn without_a_database_callers_are_answered_in_time() {
    let appender = store("postgres://u:p@127.0.0.1:1/d").appender().unwrap();
    let arrived = Instant::now();
    let error = appender.append(vec![new("UNSET", None)], arrived).await.unwrap_err();
    assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
    assert!(arrived.elapsed() < ANSWER_WITHIN);
}

/// The `lock_timeout` of the trigger does not end a wait for the table itself. So the batcher cancels a
/// statement that waits for the table. No row of a failed append is stored later, and no session keeps
/// waiting.
#[tokio::test(flavor = "multi_thread")]
async fn appends_blocked_by_a_table_lock_store_nothing_later() {
    let db = database().await;
    let store = store(&db.url);
    let appender = store.appender().unwrap();
    let holder = client(&db.url).await;
    holder.batch_execute("BEGIN; LOCK TABLE oasis_events IN SHARE MODE").await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for nth in 0..20 {
        let appender = appender.clone();
        callers.spawn(async move {
            let arrived = Instant::now();
            let key = format!("{nth}");
            let key = (nth % 2 == 0).then_some(key.as_str());
            let error = appender.append(vec![new("UNSET", key)], arrived).await.unwrap_err();
            assert!(matches!(error, AppendError::Stalled), "{error:?}");
            assert!(arrived.elapsed() <= ANSWER_WITHIN, "{:?}", arrived.elapsed());
        });
    }
    let mut named = false;
    while !named {
        named = store
            .check(oasis_store::Need::Write)
            .await
            .iter()
            .any(|reason| reason.contains("pg_terminate_backend"));
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let watcher = client(&db.url).await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'oasis_events'::regclass";
    assert_eq!(watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0), 0);
    holder.batch_execute("COMMIT").await.unwrap();
    appender.append(vec![new("DEV-TEST-0001", None)], Instant::now()).await.unwrap();
    let rows = watcher.query("SELECT FROM oasis_events", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
}

/// After a failed write, the batcher opens a new connection.
#[tokio::test(flavor = "multi_thread")]
async fn appends_work_again_after_the_database_was_read_only() {
    let db = database().await;
    let admin = client(&db.url).await;
    let name: String = admin.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    admin
        .batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"))
        .await
        .unwrap();
    let store = store(&db.url);
    let appender = store.appender().unwrap();
    let error = appender.append(vec![new("UNSET", None)], Instant::now()).await.unwrap_err();
    assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
    let reasons = store.check(oasis_store::Need::Write).await;
    assert!(reasons.iter().any(|reason| reason.contains("read-only")), "{reasons:?}");
    admin.batch_execute(&format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await.unwrap();
    appender.append(vec![new("UNSET", None)], Instant::now()).await.unwrap();
}

/// If no time is left to send an append, its caller gets the error `Late`.
#[tokio::test]
async fn a_late_append_is_not_sent() {
    let db = database().await;
    let appender = store(&db.url).appender().unwrap();
    let arrived = Instant::now() - Duration::from_secs(5);
    let error = appender.append(vec![new("UNSET", None)], arrived).await.unwrap_err();
    assert!(matches!(error, AppendError::Late), "{error:?}");
    assert_eq!(client(&db.url).await.query("SELECT FROM oasis_events", &[]).await.unwrap().len(), 0);
}

/// When a session is ended during an append, it is not known whether the rows are stored. Rows with keys are
/// sent again. If the second attempt fails for another reason, the caller must still get the error `Unknown`,
/// because the first attempt may have stored the rows.
#[tokio::test]
async fn rows_that_may_be_stored_are_never_reported_as_not_stored() {
    let db = database().await;
    let client = client(&db.url).await;
    // The trigger counts the attempts with a sequence, which keeps its value when a transaction is rolled
    // back.
    let end = "CREATE SEQUENCE tries; CREATE FUNCTION ends() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF nextval('tries') % 2 = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); \
               ELSIF EXISTS (SELECT FROM full_disk) THEN RAISE 'full' USING ERRCODE = '53100'; END IF; \
               RETURN NULL; END $$; \
               CREATE TRIGGER ends BEFORE INSERT ON oasis_events EXECUTE FUNCTION ends(); \
               CREATE TABLE full_disk ()";
    client.batch_execute(end).await.unwrap();
    let appender = store(&db.url).appender().unwrap();
    let append = async |key| appender.append(vec![new("UNSET", key)], Instant::now()).await;
    assert!(!append(Some("a")).await.unwrap()[0].duplicate);
    client.batch_execute("INSERT INTO full_disk DEFAULT VALUES").await.unwrap();
    assert!(matches!(append(Some("b")).await, Err(AppendError::Unknown(_))));
    assert!(matches!(append(None).await, Err(AppendError::Unknown(_))));
    // The trigger ends only every second session. So it does not end the session of this attempt, and the
    // attempt fails because of the full disk.
    assert!(matches!(append(Some("c")).await, Err(AppendError::Unavailable(_))));
    assert_eq!(client.query("SELECT FROM oasis_events", &[]).await.unwrap().len(), 1);
}
