//! Tests the ticker in a table with many rows of other channels. No statement of the ticker reads these rows,
//! however many there are and wherever they are in the table.

use std::ops::Range;

use jiff::Timestamp;
use oasis_core::{Channel, Family, Source, Status, Ts};
use oasis_store::{Columns, DatabaseArgs, Filter, Order, PageQuery, Store};
use tokio_postgres::Client;

use crate::replay::{as_reader, pages_accessed};
use crate::{client, database, filter, follow, next, until_up};

/// The number of rows in each of the two floods. All of these rows belong to rooms.
const FLOOD: i64 = 100_000;
/// The numbers of events of the ticker before, between and after the floods.
const EVENTS: [i64; 3] = [20_000, 1, 30];

async fn flood(client: &Client) {
    let sql = format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel) \
         SELECT '2026-01-01'::timestamptz, 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'log', 'info', \
         'UNSET-CORE-LOG', \
                'vt/UNSET-log', 'room:' || n % 50 FROM generate_series(1, {FLOOD}) AS n"
    );
    client.batch_execute(&sql).await.unwrap();
}

/// Inserts `rows` events, one for each minute, from minute `first` on. The events have all combinations of
/// statuses and sources.
async fn events(client: &Client, first: i64, rows: i64) {
    let list = |texts: &[&str]| format!("ARRAY['{}']", texts.join("', '"));
    let statuses: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let sources: Vec<&str> = Source::ALL.iter().map(|source| source.as_str()).collect();
    let sql = format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref) \
         SELECT '2026-01-01'::timestamptz + n * interval '1 minute', 'DEV-AAA-' || 1000 + n % 9, 'AAA', \
         'CORE', \
                ({sources})[1 + n / {per} % {of}], 'push', ({statuses})[1 + n % {per}], 'AAA-CORE-PUSH', \
                'vt/DEV-AAA-' || 1000 + n % 9 || '-push' \
                FROM generate_series({first}, {first} + {rows} - 1) AS n",
        sources = list(&sources),
        statuses = list(&statuses),
        per = statuses.len(),
        of = sources.len(),
    );
    client.batch_execute(&sql).await.unwrap();
}

/// The number of events with `status` that [`events`] inserts for these minutes.
fn with_status(status: Status, minutes: Range<i64>) -> usize {
    minutes.filter(|n| Status::ALL[*n as usize % Status::ALL.len()] == status).count()
}

/// Runs `read` in a separate session. Returns the result of `read`, and the number of pages of the table and
/// its indexes that the session read.
async fn count_pages<T>(url: &str, counter: &Client, read: impl AsyncFnOnce(Store) -> T) -> (T, i64) {
    let before = pages_accessed(counter).await;
    let reader = Store::new(DatabaseArgs::new(crate::parse(url)), "reader").unwrap();
    let outcome = read(reader).await;
    (outcome, pages_accessed(counter).await - before)
}

/// The number of pages that a read may access. Most of them are pages of the catalog, because the planner
/// looks at each index of the table. The rows of rooms have thousands of pages.
const FEW: i64 = 350;

#[tokio::test]
async fn the_ticker_does_not_read_rows_of_rooms() {
    let db = database().await;
    let counter = client(&db.url).await;
    // The session that fills the table ends before the reads begin, so that its pages are not counted as
    // pages of the reads.
    let filler = client(&as_reader(&db.url)).await;
    filler.batch_execute("ALTER TABLE oasis_events SET (autovacuum_enabled = off)").await.unwrap();
    events(&filler, 0, EVENTS[0]).await;
    flood(&filler).await;
    events(&filler, EVENTS[0], EVENTS[1]).await;
    flood(&filler).await;
    events(&filler, EVENTS[0] + EVENTS[1], EVENTS[2]).await;
    let head = EVENTS.iter().sum::<i64>() + 2 * FLOOD;
    drop(filler);

    let minute = |n: i64| -> Option<Ts> {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        Some(Ts::clamped(start + jiff::SignedDuration::from_mins(n)))
    };
    let devhub = || Filter::all(Channel::devhub());
    let newest = |before| Order::NewestFirst { before };
    let oldest = |after| Order::OldestFirst { after, upto: head };
    let (open, failures) = (devhub(), filter("devhub", [("status", vec!["failure".to_owned()])]));
    let task = filter("devhub", [("vtid", vec!["DEV-AAA-1003".to_owned()])]);
    let unknown_task = filter("devhub", [("vtid", vec!["DEV-AAA-9999".to_owned()])]);
    let page = |filter, order, limit| PageQuery::ticker(Some(filter), order, limit);
    // The ids of the ticker are 1 to 20,000, then 120,001, then 220,002 to 220,031.
    let queries: Vec<(&str, PageQuery<'_>, usize)> = vec![
        ("the newest page", page(&open, newest(None), 50), 50),
        ("with meta", PageQuery { columns: Columns::WithMeta, ..page(&open, newest(None), 500) }, 500),
        ("before the second flood", page(&open, newest(Some(170_000)), 50), 50),
        ("before a cursor", page(&open, newest(Some(10_000)), 50), 50),
        ("after a cursor", page(&open, oldest(19_990), 500), 41),
        ("after a cursor in the first flood", page(&open, oldest(50_000), 500), 31),
        ("after a cursor in the second flood", page(&open, oldest(170_000), 500), 30),
        ("from the beginning", page(&open, oldest(0), 500), 500),
        ("at the head", page(&open, oldest(head), 500), 0),
        ("failures", page(&failures, newest(None), 50), 50),
        (
            "failures after a cursor",
            page(&failures, oldest(19_990), 50),
            with_status(Status::Failure, 19_990..EVENTS.iter().sum()),
        ),
        ("a task", page(&task, oldest(0), 50), 50),
        ("an unknown task", page(&unknown_task, newest(None), 50), 0),
        ("with `since`", PageQuery { since: minute(19_900), ..page(&open, newest(None), 50) }, 50),
        ("with `until`", PageQuery { until: minute(100), ..page(&open, newest(None), 50) }, 50),
        (
            "with `since` and `until`",
            PageQuery { since: minute(19_995), until: minute(20_005), ..page(&open, newest(None), 50) },
            11,
        ),
        (
            "failures with `until`",
            PageQuery { until: minute(100), ..page(&failures, newest(None), 50) },
            with_status(Status::Failure, 0..101),
        ),
        ("a task with `until`", PageQuery { until: minute(100), ..page(&task, newest(None), 50) }, 11),
        ("with an offset", PageQuery { offset: 40, ..page(&open, newest(None), 50) }, 50),
    ];
    for analysed in [false, true] {
        if analysed {
            client(&as_reader(&db.url)).await.batch_execute("ANALYZE oasis_events").await.unwrap();
        }
        #[allow(unused_mut)]
        let check = |what: &str, pages: i64, most: i64| {
            assert!((1..=most).contains(&pages), "{what:?} accessed {pages} pages, analysed: {analysed}");
        };
        for (what, query, rows) in &queries {
            let (page, pages) =
                count_pages(&db.url, &counter, async |store| store.page(query).await.unwrap()).await;
            assert_eq!(page.events.len(), *rows, "{what}");
            assert!(page.events.iter().all(|event| query.filter.unwrap().accepts(event)), "{what}");
            assert_eq!(page.newest, head);
            // A query with bounds on ts may read all rows of the ticker in one block of ids.
            check(what, pages, if query.until.is_some() { 2_000 } else { FEW });
        }
        for filter in [&open, &failures, &task] {
            let replay = async |store: Store| store.replay(filter, head + 1, 20).await.unwrap();
            let (page, pages) = count_pages(&db.url, &counter, replay).await;
            assert_eq!((page.events.len(), page.more), (20, true));
            // A replay reads up to 20 rows for each combination of a status and a source other than agents.
            let combinations = Status::ALL.len() * (Source::ALL.len() - 1);
            check("a replay", pages, 20 * combinations as i64);
        }
        let since = async |store: Store| {
            let first = store.first_id_since(&Family::devhub(), Timestamp::UNIX_EPOCH).await.unwrap();
            assert_eq!((first, store.head().await.unwrap()), (Some(1), head));
        };
        check("the first id since a time", count_pages(&db.url, &counter, since).await.1, FEW);
        let begin = async |store: Store| {
            let mut updates = follow(store.tail().recent(20));
            let oasis_store::Update::Start { events, .. } = next(&mut updates).await else { panic!() };
            assert_eq!((events.len(), events[0].id), (20, head - 19));
            until_up(&mut updates).await;
        };
        check("the tail's start", count_pages(&db.url, &counter, begin).await.1, FEW);
    }
}

/// Pages by time have the same rows as a scan, wherever the rows of other channels are, and wherever blocks
/// of ids begin and end.
#[tokio::test]
async fn pages_by_time_have_the_same_rows_as_a_scan_between_rows_of_rooms() {
    const STRETCHES: i64 = 40;
    let db = database().await;
    let client = client(&db.url).await;
    // Each stretch has four rows of the ticker, then rows of a room. Some stretches are longer than a block.
    let sql = format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel) \
         SELECT '2026-01-01'::timestamptz + interval '1 minute' * CASE n % 3 WHEN 0 THEN stretch \
         ELSE 500 - stretch END, \
                'UNSET', 'UNSET', 'CORE', 'oasis.events', 'log', 'info', 'UNSET-CORE-LOG', 'vt/UNSET-log', \
                CASE WHEN n <= 4 THEN 'devhub' ELSE 'room:1' END \
         FROM generate_series(1, {STRETCHES}) AS stretch, \
              generate_series(1, 4 + CASE WHEN stretch % 8 = 0 THEN 20000 ELSE stretch * 3 END) AS n \
              ORDER BY stretch, n"
    );
    client.batch_execute(&sql).await.unwrap();
    let store = crate::store(&db.url);
    let open = Filter::all(Channel::devhub());
    let order = Order::NewestFirst { before: None };
    let all = store.page(&PageQuery::ticker(Some(&open), order, 1_000)).await.unwrap().events;
    assert_eq!(all.len() as i64, 4 * STRETCHES);
    let ts = |minute: i64| {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        Ts::clamped(start + jiff::SignedDuration::from_mins(minute))
    };
    let ids_between = "SELECT array_agg(id) FROM oasis_ids_between($1::text::timestamptz, \
        $2::text::timestamptz, \
                       $3, $4, NULL, NULL, NULL, NULL, NULL, NULL) AS id";
    for minute in 0..=40 {
        for (since, until) in [(minute, minute + 3), (minute, 500), (0, minute), (490 - minute, 500 - minute)]
        {
            let (since, until) = (ts(since), ts(until));
            for (before, limit) in [(i64::MAX, 1_000_i64), (i64::MAX, 7), (60_000, 1_000), (3, 5)] {
                let expected: Vec<i64> = all
                    .iter()
                    .filter(|event| event.ts >= since && event.ts <= until && event.id < before)
                    .map(|event| event.id)
                    .take(limit as usize)
                    .collect();
                let (from, to) = (since.to_string(), until.to_string());
                let found = client.query_one(ids_between, &[&from, &to, &before, &limit]).await.unwrap();
                let found: Vec<i64> = found.get::<_, Option<_>>(0).unwrap_or_default();
                assert_eq!(found, expected, "from {from} to {to}, limit {limit}, before id {before}");
            }
        }
    }
}
