//! Tests that the batcher answers after the commit, finds duplicates, and sends concurrent appends in shared
//! statements of limited size.

use std::time::Duration;

use oasis_core::{Meta, NewEvent};
use oasis_store::{AppendError, Appended, Appender};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::{client, database, new, store};

#[tokio::test]
async fn a_duplicate_gets_the_id_and_the_time_of_its_original() {
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
    assert_eq!(again, Appended { duplicate: true, ..a });
    assert!(!a.duplicate && !plain.duplicate && !b.duplicate);
    assert!(a.id < plain.id && plain.id < b.id, "{first:?}");
    assert_eq!(a.ts, Some(new("UNSET", None).event.ts));
    let mut later = new("UNSET", Some("b"));
    later.event.ts = "2030-01-02T03:04:05Z".parse().unwrap();
    let second = appender.append(vec![later, new("UNSET", None)], Instant::now()).await.unwrap();
    assert_eq!(second[0], Appended { duplicate: true, ..b });
    assert!(!second[1].duplicate);
    assert!(appender.append(vec![], Instant::now()).await.unwrap().is_empty());
}

/// If a statement contains a duplicate, the whole statement fails. The batcher then sends the rows again, and
/// each event is stored once.
#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_does_not_affect_the_appends_that_share_its_statement() {
    let db = database().await;
    let store = store(&db.url);
    let original = store.appender().unwrap().append(vec![new("UNSET", Some("key 7"))], Instant::now()).await;
    let original = original.unwrap()[0].id;
    // This new appender has not found any duplicates yet.
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
    assert!(row.get::<_, i64>(0) < 200, "too many transactions for 400 appends: {}", row.get::<_, i64>(0));
}

/// During each append, the caller starts the next caller. All callers share one statement, because the
/// batcher lets other callers run before it sends a statement.
#[tokio::test]
async fn appends_at_the_same_moment_share_a_statement() {
    fn start_callers(appender: Appender, others: usize, unfinished: mpsc::Sender<()>) {
        tokio::spawn(async move {
            let next = async {
                if others > 0 {
                    start_callers(appender.clone(), others - 1, unfinished.clone());
                }
            };
            let (appended, ()) =
                tokio::join!(appender.append(vec![new("UNSET", None)], Instant::now()), next);
            appended.unwrap();
        });
    }
    let db = database().await;
    let appender = store(&db.url).appender().unwrap();
    // The first append opens the connection.
    appender.append(vec![new("IDLE", None)], Instant::now()).await.unwrap();
    let (unfinished, mut all_finished) = mpsc::channel(1);
    start_callers(appender, 63, unfinished);
    assert_eq!(all_finished.recv().await, None);
    let commits = "SELECT count(DISTINCT xmin::text), count(*) FROM oasis_events WHERE vtid = 'UNSET'";
    let row = client(&db.url).await.query_one(commits, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 64));
}

/// Appends for several callers at the same moment, and returns the answers. On a single thread, the appends
/// share statements as far as the limits allow.
pub(crate) async fn together(
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

/// One statement has at most 640 rows and 2 MiB. Only a statement that contains a single append may be
/// larger.
#[tokio::test]
async fn statements_have_limits_in_rows_and_in_bytes() {
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
    assert!((120..=136).contains(&rows), "expected 120 to 136 rows of 15 KiB in 2 MiB, but found {rows}");
    all_stored(together(&appender, [vec![large; 200], vec![new("UNSET", None)]]).await);
    assert_eq!(largest().await, 200);
}

/// If there is no time for a second attempt, the first attempt skips duplicates. Otherwise the first attempt
/// refuses duplicates, because such a statement is cheaper when there are no duplicates. Each attempt takes
/// an id from the sequence for each row, so the test counts the attempts by the ids that were taken.
#[tokio::test]
async fn a_duplicate_without_time_for_a_second_attempt_is_sent_once() {
    let db = database().await;
    let client = client(&db.url).await;
    let last_id = async || -> i64 {
        client.query_one("SELECT last_value FROM oasis_events_id_seq", &[]).await.unwrap().get(0)
    };
    let store = store(&db.url);
    let original =
        store.appender().unwrap().append(vec![new("UNSET", Some("a"))], Instant::now()).await.unwrap();
    for (late, attempts) in [(Duration::from_millis(1_500), 1), (Duration::ZERO, 2)] {
        let before = last_id().await;
        // This new appender has not found any duplicates yet.
        let appender = store.appender().unwrap();
        let arrived = Instant::now() - late;
        let repeat = appender.append(vec![new("UNSET", Some("a"))], arrived).await.unwrap();
        assert_eq!(repeat, [Appended { duplicate: true, ..original[0] }]);
        assert_eq!(last_id().await - before, attempts);
        // After the first duplicate, the appender skips duplicates.
        appender.append(vec![new("UNSET", Some("a"))], Instant::now()).await.unwrap();
        assert_eq!(last_id().await - before, attempts + 1);
    }
}

/// This append has more rows than a shared statement may have.
#[tokio::test]
async fn all_rows_of_one_append_are_in_one_transaction() {
    let db = database().await;
    let appender = store(&db.url).appender().unwrap();
    appender.append(vec![new("UNSET", None); 1_000], Instant::now()).await.unwrap();
    let row = client(&db.url).await;
    let row =
        row.query_one("SELECT count(DISTINCT xmin::text), count(*) FROM oasis_events", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1_000));
}

#[tokio::test]
async fn the_queue_refuses_appends_that_exceed_its_memory() {
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
    // The 64 MiB of the queue are enough for about 130 of the 200 appends.
    assert!((50..100).contains(&overloaded), "{overloaded}");
}
