//! Tests the replay, which reads the last events for a new reader. With any filter, a replay has the same
//! events as a scan that leaves out repeats. A replay reads few pages even if the newest rows are all
//! repeats.

use oasis_core::Source;
use oasis_store::{Columns, DatabaseArgs, Order, PageQuery, Store, StoredEvent, Update};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio_postgres::Client;

use crate::{client, collect, database, filter, follow, next, store, until_up};

const ROWS: i64 = 600;

/// Inserts rows of several sources. Half of the pings are repeats. Some of the other pings have a `repeat`
/// that is not `true`, so these pings are not repeats.
async fn fill(client: &Client, rows: i64) {
    let sql = format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
         SELECT now(), v, l, m, s, k, st, l || '-' || m || '-' || upper(k), 'vt/' || v || '-' || k, \
                CASE WHEN n % 19 = 0 THEN 'room:1' ELSE 'devhub' END, meta::jsonb \
         FROM (SELECT n, v, m, s, k, st, meta, coalesce(nullif(split_part(v, '-', 2), ''), 'UNSET') AS l \
               FROM (SELECT n, (ARRAY['DEV-AAA-0001', 'DEV-BBB-0002', 'UNSET', 'IDLE'])[1 + n % 4] AS v, \
                      (ARRAY['CORE', 'FEED'])[1 + n % 2] AS m, \
                      (ARRAY['oasis.events', 'agent.ping', 'agent.ping', \
                      'github.actions'])[1 + n / 7 % 4] AS s, \
                      (ARRAY['push', 'ping', 'ping', 'deploy'])[1 + n / 5 % 4] AS k, \
                      (ARRAY['info', 'success', 'in_progress'])[1 + n / 11 % 3] AS st, \
                      (ARRAY['{{\"repeat\": true}}', '{{}}', '{{\"repeat\": true, \"a\": 1}}', \
                      '{{\"repeat\": \"true\"}}', \
                             '{{\"repeat\": true}}', '{{\"repeat\": [true]}}'])[1 + n % 6] AS meta \
                    FROM generate_series(1, {rows}) AS n) AS few) AS row"
    );
    client.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn every_filter_selects_the_same_rows_as_a_scan_without_repeats() {
    let db = database().await;
    fill(&client(&db.url).await, ROWS).await;
    let store = store(&db.url);
    let order = Order::NewestFirst { before: None };
    let open = PageQuery { columns: Columns::WithMeta, ..PageQuery::ticker(None, order, 1_000) };
    let mut news = store.page(&open).await.unwrap().events;
    assert_eq!(news.len() as i64, ROWS);
    news.retain(|event| {
        event.source != Source::AgentPing
            || !oasis_core::ping::is_repeat(event.meta.as_ref().unwrap().as_map())
    });
    news.iter_mut().filter(|event| event.channel.is_devhub()).for_each(|event| event.meta = None);
    assert!(news.len() as i64 > ROWS / 2 && (news.len() as i64) < ROWS, "{}", news.len());

    let pick = |values: &'static [&'static str]| {
        prop::sample::subsequence(values, 0..=values.len().min(2))
            .prop_map(|some| some.into_iter().map(String::from).collect::<Vec<_>>())
    };
    let filters = (
        prop_oneof![9 => Just("devhub"), 1 => Just("room:1")],
        pick(&["DEV-AAA-0001", "UNSET", "IDLE", "DEV-NONE-0009"]),
        pick(&["AAA", "UNSET"]),
        pick(&["CORE", "FEED"]),
        pick(&["oasis.events", "agent.ping", "gcp.deploy"]),
        pick(&["push", "ping", "deploy"]),
        pick(&["info", "success", "failure", "in_progress"]),
    );
    let mut runner = TestRunner::deterministic();
    let mut nonempty = 0;
    for round in 0..300 {
        let (channel, vtid, layer, module, source, kind, status) =
            filters.new_tree(&mut runner).unwrap().current();
        let named = [
            ("vtid", vtid),
            ("layer", layer),
            ("module", module),
            ("source", source),
            ("kind", kind),
            ("status", status),
        ];
        let filter = filter(channel, named.into_iter().filter(|_| round % 20 > 0));
        let (before, limit) = (1..ROWS + 2, 1..30i64).new_tree(&mut runner).unwrap().current();
        let expected: Vec<_> = news
            .iter()
            .filter(|event| event.id < before && filter.accepts(event))
            .take(limit as usize)
            .cloned()
            .collect();
        nonempty += usize::from(!expected.is_empty());
        let found = store.replay(&filter, before, limit).await.unwrap();
        assert_eq!(found.events, expected, "{filter:?} before id {before}, limit {limit}");
    }
    assert!(nonempty > 60, "{nonempty}");
}

pub(crate) fn as_reader(url: &str) -> String {
    format!("{url}{}application_name=reader", if url.contains('?') { '&' } else { '?' })
}

/// Waits until all sessions with the application name `reader` have ended. Returns the number of pages of the
/// table and its indexes that all sessions have read so far.
pub(crate) async fn pages_accessed(client: &Client) -> i64 {
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reader' \
        AND datname = current_database()";
    // The server counts the pages of a session before the session disappears from pg_stat_activity.
    while client.query_one(sessions, &[]).await.unwrap().get::<_, i64>(0) > 0 {}
    let sql = "SELECT (heap_blks_read + heap_blks_hit + coalesce(toast_blks_read + toast_blks_hit, 0) + \
                       idx_blks_read + idx_blks_hit)::int8 \
               FROM pg_statio_user_tables WHERE relid = 'oasis_events'::regclass";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// If the newest rows are all repeats, older events are found with indexes, so the repeats are not read.
#[tokio::test]
async fn a_replay_does_not_read_the_repeats_at_the_head() {
    let db = database().await;
    let sql = client(&db.url).await;
    // The server may count the pages of a session up to a second late, but always before the session ends.
    // This session is dropped below, so that its pages are counted before the readers start.
    let filler = client(&as_reader(&db.url)).await;
    // Autovacuum is off, because the pages that autovacuum reads would be counted as pages of the readers.
    filler.batch_execute("ALTER TABLE oasis_events SET (autovacuum_enabled = off)").await.unwrap();
    fill(&filler, 60).await;
    let repeats = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, \
        ref, meta) \
                   SELECT now(), 'IDLE', 'UNSET', 'CORE', 'agent.ping', 'ping', 'in_progress', \
                   'UNSET-CORE-PING', \
                          'vt/IDLE-ping', '{\"repeat\": true}' FROM generate_series(1, 60000)";
    filler.batch_execute(repeats).await.unwrap();
    drop(filler);
    let own = |value: &str| vec![value.to_owned()];
    for analysed in [false, true] {
        if analysed {
            client(&as_reader(&db.url)).await.batch_execute("ANALYZE oasis_events").await.unwrap();
        }
        for filter in [
            filter("devhub", []),
            filter("devhub", [("status", own("in_progress"))]),
            filter("devhub", [("source", own("agent.ping"))]),
            filter("devhub", [("source", own("agent.ping")), ("kind", own("ping"))]),
            filter("devhub", [("source", own("oasis.events"))]),
            filter("devhub", [("kind", own("ping"))]),
            filter("devhub", [("kind", vec!["ping".to_owned(), "push".to_owned()])]),
            filter("devhub", [("vtid", own("IDLE"))]),
            filter("devhub", [("vtid", own("IDLE")), ("status", own("in_progress"))]),
        ] {
            let before = pages_accessed(&sql).await;
            let args = DatabaseArgs::new(crate::parse(&db.url));
            let reader = Store::new(args, "reader").unwrap();
            let page = reader.replay(&filter, i64::MAX, 20).await.unwrap();
            assert!(!page.events.is_empty() && page.events[0].id <= 60, "{filter:?}");
            drop(reader);
            let pages = pages_accessed(&sql).await - before;
            assert!((1..600).contains(&pages), "{filter:?} accessed {pages} pages, analysed: {analysed}");
        }
    }
}

/// The tail reads the `meta` of a row only if readers need it.
#[tokio::test]
async fn the_tail_reads_only_the_meta_that_readers_need() {
    let db = database().await;
    let sql = client(&db.url).await;
    fill(&sql, 60).await;
    let run = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, meta) \
               VALUES (now(), 'UNSET', 'UNSET', 'CORE', 'github.actions', 'workflow_run', 'success', \
                       'UNSET-CORE-WORKFLOW-RUN', 'vt/UNSET-workflow-run', '{\"run_id\": 7}')";
    sql.batch_execute(run).await.unwrap();
    let mut updates = follow(store(&db.url).tail().recent(61));
    let Update::Start { mut events, .. } = next(&mut updates).await else { panic!("the tail should start") };
    assert_eq!(events.len(), 58, "three of the 61 rows belong to a room");
    until_up(&mut updates).await;
    fill(&sql, 60).await;
    events.extend(collect(&mut updates, 60).await);
    let needed = |event: &StoredEvent| {
        event.source == Source::AgentPing
            || !event.channel.is_devhub()
            || event.kind.as_str() == "workflow_run"
    };
    assert!(events.iter().all(|event| event.meta.is_some() == needed(event)));
    assert_eq!(events.iter().filter(|event| !event.channel.is_devhub()).count(), 3);
    for json in [r#"{"a": 1, "repeat": true}"#, r#"{"run_id": 7}"#] {
        let has = |event: &StoredEvent| event.meta.as_ref().is_some_and(|meta| meta.as_json() == json);
        assert!(events.iter().any(has), "{json}");
    }
}
