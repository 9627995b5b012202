//! The batcher: answers after the commit, tells duplicates apart, bounds every wait.

use std::time::Duration;

use oasis_core::{Meta, NewEvent};
use oasis_postgres::testing;
use oasis_store::{ANSWER_WITHIN, AppendError, Appended, Appender};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::{client, database, new, parse, plain_insert, store};

#[tokio::test]
async fn duplicates_are_told_apart_and_keep_their_id() {
    let db = database().await;
    let appender = store(&db.url).appender().unwrap();
    let events = vec![
        new("DEV-TEST-0001", Some("a")),
        new("UNSET", None),
        new("UNSET", Some("a")),
        new("UNSET", Some("b")),
    ];
    let first = appender.append(events, Instant::now()).await.unwrap();
    let [a, plain, again, b] = first[..] else { panic!("{first:?}") };
    assert_eq!(again, Appended { id: a.id, duplicate: true });
    assert!(!a.duplicate && !plain.duplicate && !b.duplicate);
    assert!(a.id < plain.id && plain.id < b.id, "{first:?}");
    let second =
        appender.append(vec![new("UNSET", Some("b")), new("UNSET", None)], Instant::now()).await.unwrap();
    assert_eq!(second[0], Appended { id: b.id, duplicate: true });
    assert!(!second[1].duplicate);
    assert!(appender.append(vec![], Instant::now()).await.unwrap().is_empty());
}

/// A repeat makes the statement that it shares with others be sent again; each of them is stored once.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_harms_nobody_whom_it_shares_a_statement_with() {
    let db = database().await;
    let store = store(&db.url);
    let original = store.appender().unwrap().append(vec![new("UNSET", Some("key 7"))], Instant::now()).await;
    let original = original.unwrap()[0].id;
    // One that has met no repeats yet.
    let appender = store.appender().unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let appender = appender.clone();
        callers.spawn(async move {
            let event = new("UNSET", Some(&format!("key {caller}")));
            (caller, appender.append(vec![event], Instant::now()).await.unwrap()[0])
        });
    }
    while let Some(caller) = callers.join_next().await {
        let (caller, appended) = caller.unwrap();
        assert_eq!(appended.duplicate, caller == 7);
        assert_eq!(appended.id == original, caller == 7);
    }
    let count = "SELECT count(*) FROM oasis_events";
    assert_eq!(client(&db.url).await.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_share_statements_and_each_gets_its_own_answer() {
    let db = database().await;
    let appender = store(&db.url).appender().unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..400 {
        let appender = appender.clone();
        callers.spawn(async move {
            let task = format!("DEV-TEST-{caller:06}");
            let rows = 1 + caller % 3;
            let appended = appender.append(vec![new(&task, None); rows], Instant::now()).await.unwrap();
            assert_eq!(appended.len(), rows);
            (task, appended)
        });
    }
    let client = client(&db.url).await;
    while let Some(caller) = callers.join_next().await {
        let (task, appended) = caller.unwrap();
        for one in appended {
            let row =
                client.query_one("SELECT vtid FROM oasis_events WHERE id = $1", &[&one.id]).await.unwrap();
            assert_eq!(row.get::<_, &str>(0), task);
        }
    }
    let commits = "SELECT count(DISTINCT xmin::text), count(*) FROM oasis_events";
    let row = client.query_one(commits, &[]).await.unwrap();
    assert!(row.get::<_, i64>(0) < 200, "appends share transactions: {}", row.get::<_, i64>(0));
}

/// Callers who ask one after the other, each as soon as the one before has, go into one statement: the first of them
/// wakes the writer, which lets the others go first.
#[tokio::test]
async fn callers_at_the_same_moment_share_a_statement() {
    fn ask(appender: Appender, others: usize, all: mpsc::Sender<()>) {
        tokio::spawn(async move {
            let next = async {
                if others > 0 {
                    ask(appender.clone(), others - 1, all.clone());
                }
            };
            let (appended, ()) =
                tokio::join!(appender.append(vec![new("UNSET", None)], Instant::now()), next);
            appended.unwrap();
        });
    }
    let db = database().await;
    let appender = store(&db.url).appender().unwrap();
    // From here on there is a connection.
    appender.append(vec![new("IDLE", None)], Instant::now()).await.unwrap();
    let (all, mut answered) = mpsc::channel(1);
    ask(appender, 63, all);
    assert_eq!(answered.recv().await, None);
    let commits = "SELECT count(DISTINCT xmin::text), count(*) FROM oasis_events WHERE vtid = 'UNSET'";
    let row = client(&db.url).await.query_one(commits, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 64));
}

/// The answers of callers who ask at the same moment. On a single thread their appends share what statements they may.
async fn together(
    appender: &Appender,
    calls: impl IntoIterator<Item = Vec<NewEvent>>,
) -> Vec<Result<Vec<Appended>, AppendError>> {
    let call = |events| {
        let appender = appender.clone();
        tokio::spawn(async move { appender.append(events, Instant::now()).await })
    };
    let calls: Vec<_> = calls.into_iter().map(call).collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

/// A row that only the table refuses, by a CHECK of the user's own, say, fails its caller and nobody whom it shares a
/// statement with.
#[tokio::test]
async fn a_refused_row_fails_its_own_caller_alone() {
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
        match is_bad(caller) {
            true => assert!(matches!(answer, Err(AppendError::Refused(_))), "{caller}: {answer:?}"),
            false => assert_eq!(answer.unwrap().len(), 2, "{caller}"),
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

/// However much waits, one statement takes 640 rows or 2 MiB of it, unless a single caller has more.
#[tokio::test]
async fn statements_are_bounded_in_rows_and_in_bytes() {
    let db = database().await;
    let client = client(&db.url).await;
    let largest = async || {
        let each =
            "SELECT max(rows) FROM (SELECT count(*) AS rows FROM oasis_events GROUP BY xmin::text) AS each";
        let largest: i64 = client.query_one(each, &[]).await.unwrap().get(0);
        client.batch_execute("DELETE FROM oasis_events").await.unwrap();
        largest
    };
    let appender = store(&db.url).appender().unwrap();
    let all_stored = |answers: Vec<Result<_, _>>| assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    all_stored(together(&appender, (0..300).map(|_| vec![new("UNSET", None); 7])).await);
    assert_eq!(largest().await, 637);
    let mut large = new("UNSET", None);
    let text = "x".repeat(15 << 10);
    large.meta = Meta::new([("text".to_owned(), text.into())].into_iter().collect()).unwrap();
    all_stored(together(&appender, vec![vec![large.clone()]; 300]).await);
    let rows = largest().await;
    assert!((120..=136).contains(&rows), "2 MiB hold 136 times 15 KiB, and no more: {rows}");
    all_stored(together(&appender, [vec![large; 200], vec![new("UNSET", None)]]).await);
    assert_eq!(largest().await, 200);
}

/// Who has hardly time for a second attempt has repeats passed over at the first one; who has more has them refused,
/// which is cheaper for those who bring none. An attempt draws an id for each row.
#[tokio::test]
async fn who_is_in_a_hurry_is_not_sent_twice() {
    let db = database().await;
    let client = client(&db.url).await;
    let drawn = async || -> i64 {
        client.query_one("SELECT last_value FROM oasis_events_id_seq", &[]).await.unwrap().get(0)
    };
    let store = store(&db.url);
    let original =
        store.appender().unwrap().append(vec![new("UNSET", Some("a"))], Instant::now()).await.unwrap();
    for (late, attempts) in [(Duration::from_millis(1_500), 1), (Duration::ZERO, 2)] {
        let before = drawn().await;
        // One that has met no repeats yet.
        let appender = store.appender().unwrap();
        let arrived = Instant::now() - late;
        let repeat = appender.append(vec![new("UNSET", Some("a"))], arrived).await.unwrap();
        assert_eq!(repeat, [Appended { id: original[0].id, duplicate: true }]);
        assert_eq!(drawn().await - before, attempts);
        // From now on repeats are expected.
        appender.append(vec![new("UNSET", Some("a"))], Instant::now()).await.unwrap();
        assert_eq!(drawn().await - before, attempts + 1);
    }
}

/// A thousand rows of one caller are one transaction.
#[tokio::test]
async fn an_append_is_all_or_nothing() {
    let db = database().await;
    let appender = store(&db.url).appender().unwrap();
    appender.append(vec![new("UNSET", None); 1_000], Instant::now()).await.unwrap();
    let row = client(&db.url).await;
    let row =
        row.query_one("SELECT count(DISTINCT xmin::text), count(*) FROM oasis_events", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1_000));
}

/// While another session sits in an active transaction, callers are told within 8 s of arriving, none of their rows
/// lands later, and all is well when it ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_answered_in_time_and_leaves_nothing_behind() {
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
    assert!(reasons.iter().any(|reason| reason.contains("holds the writers' lock")), "{reasons:?}");
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

/// Whatever was acknowledged is there after the server was killed, once; rows with a key survive the crash by being
/// sent again.
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
    assert!(missing.is_empty(), "acknowledged and gone: {missing:?}");
}

#[tokio::test]
async fn without_a_database_callers_hear_in_time() {
    let appender = store("postgres://u:p@127.0.0.1:1/d").appender().unwrap();
    let arrived = Instant::now();
    let error = appender.append(vec![new("UNSET", None)], arrived).await.unwrap_err();
    assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
    assert!(arrived.elapsed() < ANSWER_WITHIN);
}

#[tokio::test]
async fn waiting_appends_are_bounded() {
    let appender = store("postgres://u:p@127.0.0.1:1/d").appender().unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let appender = appender.clone();
        callers.spawn(async move { appender.append(vec![new("UNSET", None); 1_000], Instant::now()).await });
    }
    let mut overloaded = 0;
    while let Some(answer) = callers.join_next().await {
        overloaded += usize::from(matches!(answer.unwrap(), Err(AppendError::Overloaded)));
    }
    // 64 MiB hold about 130 of them.
    assert!((50..100).contains(&overloaded), "{overloaded}");
}

/// The trigger's time-out does not cover a wait for the table itself; a statement that waits for it is cancelled, so that
/// what was told 503 does not land later, and no session is left waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_the_table_itself_leaves_nothing_behind() {
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

/// A connection on which writing fails is not used again: after a read-only spell appends go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_spell_ends() {
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

/// Whoever has no time left when their turn comes is told so, and nothing lands.
#[tokio::test]
async fn who_is_late_is_not_sent() {
    let db = database().await;
    let appender = store(&db.url).appender().unwrap();
    let arrived = Instant::now() - Duration::from_secs(5);
    let error = appender.append(vec![new("UNSET", None)], arrived).await.unwrap_err();
    assert!(matches!(error, AppendError::Late), "{error:?}");
    assert_eq!(client(&db.url).await.query("SELECT FROM oasis_events", &[]).await.unwrap().len(), 0);
}
