//! Tests that pages with bounds on `ts` have the same rows as a plain scan, whatever times the producers sent
//! and however late the events arrived.

use oasis_core::Ts;
use oasis_store::{Order, PageQuery, StoredEvent};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::{client, database, filter, store};

/// The number of rows. With so many rows, queries use the index on time, and the ids fill more than one
/// block.
const ROWS: i64 = 24_000;

/// Inserts rows in three parts. In the first part, `ts` grows with the id, but some rows have an earlier or a
/// later `ts`. The second part has older times, like imported events. In the last part, `ts` has no order.
/// The ids have a gap that is longer than a block. Some blocks have no row between the bounds of a query.
async fn fill(url: &str) {
    let sql = format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel) \
         SELECT '2026-01-01'::timestamptz + \
                CASE WHEN n % 97 = 0 THEN n - 5000 WHEN n % 101 = 0 THEN n + 3000 WHEN n <= {third} THEN n \
                     WHEN n <= 2 * {third} THEN n - {third} - 100000 \
                     ELSE abs(hashint8(n)::int8) % {ROWS} END * interval '1 minute', \
                vtid, layer, 'CORE', source, kind, status, layer || '-CORE-' || upper(kind), \
                'vt/' || vtid || '-' || kind, \
                CASE WHEN n % 41 = 0 THEN 'room:1' ELSE 'devhub' END \
         FROM (SELECT n, 'DEV-' || layer || '-0001' AS vtid, layer, \
                      CASE WHEN n % 3 = 0 THEN 'agent.ping' ELSE 'oasis.events' END AS source, \
                      CASE WHEN n % 4001 = 0 THEN 'rare' WHEN n % 2 = 0 THEN 'push' ELSE 'ping' END AS kind, \
                      CASE WHEN n % 3999 = 0 THEN 'failure' WHEN n % 5 = 0 THEN 'success' ELSE 'info' END \
                      AS status \
               FROM (SELECT n, CASE WHEN n % 4003 = 0 THEN 'BBB' ELSE 'AAA' END AS layer \
                     FROM generate_series($1::int8, $2::int8) AS n) AS numbers) AS events ORDER BY n",
        third = ROWS / 3,
    );
    let sql_client = client(url).await;
    for (first, last) in [(1, ROWS / 2), (ROWS / 2 + 1, ROWS)] {
        sql_client.execute(&sql, &[&first, &last]).await.unwrap();
        sql_client.batch_execute("SELECT setval('oasis_events_id_seq', 50000)").await.unwrap();
    }
}

#[tokio::test]
async fn bounds_on_time_select_the_same_rows_as_a_scan() {
    let db = database().await;
    fill(&db.url).await;
    let store = store(&db.url);
    let order = Order::NewestFirst { before: None };
    let mut everything = store.page(&PageQuery::ticker(None, order, 2 * ROWS)).await.unwrap().events;
    assert_eq!(everything.len() as i64, ROWS);
    let times: Vec<Ts> = everything.iter().map(|event| event.ts).collect();
    let pick = |values: &'static [&'static str]| {
        prop::sample::subsequence(values, 0..=values.len().min(2))
            .prop_map(|some| some.into_iter().map(String::from).collect::<Vec<_>>())
    };
    let rarely = |values| prop_oneof![2 => Just(Vec::new()), 1 => pick(values)];
    let queries = (
        rarely(&["DEV-AAA-0001", "DEV-BBB-0001", "DEV-NONE-0001"]),
        rarely(&["AAA", "BBB"]),
        rarely(&["push", "ping", "rare"]),
        rarely(&["info", "success", "failure", "queued"]),
        rarely(&["oasis.events", "agent.ping"]),
        (any::<bool>(), 0..times.len(), prop_oneof![Just(0), 0..50usize, 0..times.len()]),
        (
            0..4,
            prop::option::of(0..60_000i64),
            prop_oneof![1..60i64, 1..2_000i64],
            prop_oneof![3 => Just(0), 1 => 0..100i64],
        ),
    );
    let mut runner = TestRunner::deterministic();
    let (mut none, mut full) = (0, 0);
    let mut in_order = times.clone();
    in_order.sort_by_key(|ts| ts.instant());
    for _ in 0..300 {
        let (vtid, layer, kind, status, source, window, span) =
            queries.new_tree(&mut runner).unwrap().current();
        let filter = filter(
            "devhub",
            [("vtid", vtid), ("layer", layer), ("kind", kind), ("status", status), ("source", source)],
        );
        let ((narrow, from, length), (bounds, before, limit, offset)) = (window, span);
        let to = if narrow { from + length.min(50) } else { from + length };
        let (from, to) = (in_order[from], in_order[to.min(in_order.len() - 1)]);
        let (since, until) = match bounds {
            0 => (Some(from), None),
            1 => (None, Some(to)),
            _ => (Some(from), Some(to)),
        };
        let query = PageQuery {
            offset,
            since,
            until,
            ..PageQuery::ticker(Some(&filter), Order::NewestFirst { before }, limit)
        };
        let page = store.page(&query).await.unwrap();
        let passing: Vec<&StoredEvent> = everything
            .iter()
            .zip(&times)
            .filter(|(event, ts)| {
                filter.accepts(event)
                    && before.is_none_or(|before| event.id < before)
                    && since.is_none_or(|since| since.instant() <= ts.instant())
                    && until.is_none_or(|until| ts.instant() <= until.instant())
            })
            .map(|(event, _)| event)
            .collect();
        assert_eq!(page.more, passing.len() as i64 > offset + limit, "{query:?}");
        let expected: Vec<&StoredEvent> =
            passing.into_iter().skip(offset as usize).take(limit as usize).collect();
        none += usize::from(expected.is_empty());
        full += usize::from(expected.len() as i64 == limit);
        assert!(page.events.iter().eq(expected.iter().copied()), "{query:?}");
        assert_eq!(page.newest, everything[0].id);
    }
    assert!(none > 30 && full > 60, "there were only {none} empty and {full} full pages");

    // Deleted rows are not in the pages. A query of an empty table returns an empty page.
    everything.truncate(10);
    let last = everything[9].id;
    client(&db.url).await.execute("DELETE FROM oasis_events WHERE id < $1", &[&last]).await.unwrap();
    let filter = filter("devhub", []);
    let query = PageQuery {
        until: Some(in_order[in_order.len() - 1]),
        ..PageQuery::ticker(Some(&filter), order, 50)
    };
    let left = everything.iter().filter(|event| filter.accepts(event)).count();
    assert_eq!(store.page(&query).await.unwrap().events.len(), left);
    client(&db.url).await.execute("DELETE FROM oasis_events", &[]).await.unwrap();
    assert_eq!(store.page(&query).await.unwrap().events, []);
}
