//! Tests pages and tails. With any filter and in both orders, pages have the same rows as a plain scan.

use oasis_core::Channel;
use oasis_store::{Columns, Filter, Order, PageQuery, StoredEvent, Update};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::{client, collect, database, filter, follow, new, next, plain_insert, store, until_up};

const ROWS: i64 = 400;

/// Inserts rows whose fields vary independently. Some rows are in other channels.
async fn fill(url: &str) {
    let sql = format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
         SELECT '2026-01-01'::timestamptz + n * interval '1 minute', v, coalesce(nullif(split_part(v, '-', \
         2), ''), 'UNSET'), \
                m, s, k, st, coalesce(nullif(split_part(v, '-', 2), ''), \
                'UNSET') || '-' || m || '-' || upper(k), \
                'vt/' || v || '-' || k, CASE WHEN n % 17 = 0 THEN 'room:' || (n % 3) ELSE 'devhub' END, \
                jsonb_build_object('n', n) \
         FROM (SELECT n, (ARRAY['DEV-AAA-0001', 'DEV-BBB-0002', 'UNSET'])[1 + n % 3] AS v, \
                      (ARRAY['CORE', 'FEED'])[1 + n % 2] \
                      AS m, (ARRAY['oasis.events', 'agent.ping'])[1 + n / 7 % 2] AS s, \
                      (ARRAY['push', 'ping', 'deploy'])[1 + n / 5 % 3] AS k, \
                      (ARRAY['info', 'success', 'failure'])[1 + n / 11 % 3] AS st \
                      FROM generate_series(1, {ROWS}) AS n) AS row"
    );
    client(url).await.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn every_filter_selects_the_same_rows_as_a_scan() {
    let db = database().await;
    fill(&db.url).await;
    let store = store(&db.url);
    let all = Order::OldestFirst { after: 0, upto: i64::MAX };
    let open = PageQuery { columns: Columns::WithMeta, ..PageQuery::ticker(None, all, 1_000) };
    let everything = store.page(&open).await.unwrap().events;
    assert_eq!(everything.len() as i64, ROWS);
    let pick = |values: &'static [&'static str]| {
        prop::sample::subsequence(values, 0..=values.len().min(2))
            .prop_map(|some| some.into_iter().map(String::from).collect::<Vec<_>>())
    };
    let filters = (
        prop_oneof![9 => Just("devhub"), 1 => Just("room:1")],
        pick(&["DEV-AAA-0001", "DEV-BBB-0002", "UNSET", "DEV-NONE-0009"]),
        pick(&["AAA", "BBB"]),
        pick(&["CORE", "FEED"]),
        pick(&["oasis.events", "agent.ping", "gcp.deploy"]),
        pick(&["push", "ping", "deploy"]),
        pick(&["info", "success", "failure", "queued"]),
    );
    let spans = (
        0..ROWS + 2,
        0..ROWS + 2,
        1..30i64,
        0..10i64,
        any::<bool>(),
        prop::option::of(0..ROWS),
        prop::option::of(0..ROWS),
    );
    let mut runner = TestRunner::deterministic();
    let mut nonempty = 0;
    for _ in 0..400 {
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
        let filter = filter(channel, named);
        let (a, b, limit, offset, newest, since, until) = spans.new_tree(&mut runner).unwrap().current();
        let minute = |n: Option<i64>| n.map(|n| everything[n as usize].ts);
        let (since, until) = (minute(since), minute(until));
        let order = match newest {
            true => Order::NewestFirst { before: (a % 3 > 0).then_some(a) },
            false => Order::OldestFirst { after: a.min(b), upto: a.max(b) },
        };
        let query = PageQuery {
            offset,
            since,
            until,
            columns: Columns::WithMeta,
            ..PageQuery::ticker(Some(&filter), order, limit)
        };
        let page = store.page(&query).await.unwrap();
        let in_span = |event: &&StoredEvent| match order {
            Order::NewestFirst { before } => before.is_none_or(|before| event.id < before),
            Order::OldestFirst { after, upto } => event.id > after && event.id <= upto,
        };
        let in_time = |event: &&StoredEvent| {
            let ts = event.ts;
            since.is_none_or(|since| ts >= since) && until.is_none_or(|until| ts <= until)
        };
        let mut expected: Vec<StoredEvent> = everything
            .iter()
            .filter(|e| filter.accepts(e))
            .filter(in_span)
            .filter(in_time)
            .cloned()
            .collect();
        if newest {
            expected.reverse();
        }
        assert_eq!(page.more, expected.len() as i64 > offset + limit, "{query:?}");
        let expected: Vec<StoredEvent> =
            expected.into_iter().skip(offset as usize).take(limit as usize).collect();
        nonempty += usize::from(!expected.is_empty());
        assert_eq!(page.events, expected, "{query:?}");
    }
    assert!(nonempty > 60, "{nonempty}");
}

/// Pages after a large offset have the same rows as pages that begin after the last row of the page before.
#[tokio::test]
async fn a_large_offset_skips_the_rows_that_pass_the_filter() {
    let db = database().await;
    let sql = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref) \
        SELECT now(), 'UNSET', 'UNSET', m, 'oasis.events', 'event', 'info', 'UNSET-' || m || '-EVENT', \
          'vt/UNSET-event' \
        FROM (SELECT 'M' || CASE WHEN n % 50 = 0 THEN 99 ELSE n % 20 END AS m \
              FROM generate_series(1, 24000) AS n) AS row";
    client(&db.url).await.batch_execute(sql).await.unwrap();
    let store = store(&db.url);
    // Many rows pass the first filter. Few pass the second one, so the newest rows do not complete its page.
    let many: Vec<String> = (0..10).map(|n| format!("M{n}")).collect();
    let few: Vec<String> = (90..100).map(|n| format!("M{n}")).collect();
    for (modules, passing) in [(many, 11_760), (few, 480)] {
        let filter = filter("devhub", [("module", modules)]);
        let newest = Order::NewestFirst { before: None };
        let page =
            |order, offset, limit| PageQuery { offset, ..PageQuery::ticker(Some(&filter), order, limit) };
        let ids = |page: oasis_store::Page| page.events.iter().map(|event| event.id).collect::<Vec<_>>();
        let mut all = Vec::new();
        let mut before = None;
        loop {
            let found = store.page(&page(Order::NewestFirst { before }, 0, 1_000)).await.unwrap();
            before = found.events.last().map(|event| event.id);
            all.extend(ids(found));
            if before.is_none() {
                break;
            }
        }
        assert_eq!(all.len(), passing);
        for offset in [1_000, 2_345, 11_700, 11_760, 50_000] {
            let found = store.page(&page(newest, offset, 60)).await.unwrap();
            let expected: Vec<i64> = all.iter().copied().skip(offset as usize).take(60).collect();
            assert_eq!(found.more, passing as i64 > offset + 60, "{offset}");
            assert_eq!(ids(found), expected, "{offset}");
        }
        let before = Order::NewestFirst { before: Some(all[100]) };
        let found = store.page(&page(before, 1_000, 60)).await.unwrap();
        assert_eq!(ids(found), all.iter().copied().skip(1_101).take(60).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn an_event_is_read_as_it_was_appended() {
    let db = database().await;
    let store = store(&db.url);
    let mut event = new("DEV-TEST-0001", None);
    event.event.link = Some(oasis_core::Link::parse("https://example.com/ä").unwrap());
    event.meta = event.meta.with("who", Some("änne")).with("run_id", Some(7));
    store.appender().unwrap().append(vec![event], tokio::time::Instant::now()).await.unwrap();
    let ticker = Filter::all(Channel::devhub());
    let query = PageQuery {
        columns: Columns::WithMeta,
        ..PageQuery::ticker(Some(&ticker), Order::NewestFirst { before: None }, 1)
    };
    let page = store.page(&query).await.unwrap();
    assert_eq!(
        serde_json::to_string(&page.events[0].ticker()).unwrap(),
        concat!(
            r#"{"ts":"2026-01-02T03:04:05.678Z","vtid":"DEV-TEST-0001","layer":"TEST","module":"CORE","#,
            r#""source":"oasis.events","kind":"task.step","status":"info","title":"TEST-CORE-TASK-STEP","#,
            r#""ref":"vt/DEV-TEST-0001-task-step","link":"https://example.com/%C3%A4"}"#,
        )
    );
    assert_eq!(page.events[0].meta.as_ref().unwrap().as_json(), r#"{"who": "änne", "run_id": 7}"#);
}

/// A tail starts with the last events, reports an empty table, and continues after its connection was cut.
#[tokio::test]
async fn a_tail_starts_with_the_last_events_and_survives_the_loss_of_its_connection() {
    let db = database().await;
    let store = store(&db.url);
    let mut updates = follow(store.tail());
    assert_eq!(next(&mut updates).await, Update::Start { events: vec![], head: 0, empty: true });
    until_up(&mut updates).await;
    fill(&db.url).await;
    assert_eq!(collect(&mut updates, ROWS as usize).await.len() as i64, ROWS);

    let mut late = follow(store.tail().recent(20));
    let Update::Start { events, head, empty } = next(&mut late).await else { panic!() };
    // One of the last rows belongs to a room.
    assert!(events.iter().all(|event| event.channel.is_devhub()));
    assert_eq!((events.len(), events[0].id, head, empty), (20, ROWS - 20, ROWS, false));

    let client = client(&db.url).await;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE application_name = 'test' AND datname = current_database()";
    client.batch_execute(cut).await.unwrap();
    client.batch_execute(&plain_insert(1)).await.unwrap();
    assert_eq!(collect(&mut updates, 1).await[0].id, ROWS + 1);
    assert_eq!(collect(&mut late, 1).await[0].id, ROWS + 1);
}

/// If the caller of a read stops waiting, the server cancels the read.
#[tokio::test]
async fn an_abandoned_read_is_cancelled_in_the_server() {
    let db = database().await;
    let store = store(&db.url);
    let locker = client(&db.url).await;
    locker.batch_execute("BEGIN; LOCK TABLE oasis_feed_state IN ACCESS EXCLUSIVE MODE").await.unwrap();
    // The locker can't count the waiting reads, because it sees the same pg_stat_activity during its whole
    // transaction.
    let observer = client(&db.url).await;
    let waiting = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                   WHERE NOT granted AND application_name = 'test' AND datname = current_database()";
    let count = async || observer.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0);
    let read = tokio::spawn(async move { store.head().await });
    while count().await == 0 {}
    read.abort();
    while count().await == 1 {}
    locker.batch_execute("ROLLBACK").await.unwrap();
}

/// The tail notices that the table was restored, even if the connection of the tail stays open.
#[tokio::test]
async fn the_tail_restarts_when_the_table_has_lower_ids_than_before() {
    let db = database().await;
    fill(&db.url).await;
    let store = store(&db.url);
    let mut updates = follow(store.tail());
    until_up(&mut updates).await;
    let sql = client(&db.url).await;
    sql.batch_execute("DELETE FROM oasis_events; ALTER SEQUENCE oasis_events_id_seq RESTART").await.unwrap();
    sql.batch_execute(&plain_insert(1)).await.unwrap();
    // The tail may read the table before, between or after these statements.
    loop {
        let Update::Start { head, empty, .. } = next(&mut updates).await else { panic!("expected `Start`") };
        assert_eq!(empty, head == 0);
        if head == 1 {
            break;
        }
    }
    sql.batch_execute(&plain_insert(2)).await.unwrap();
    assert_eq!(collect(&mut updates, 1).await[0].id, 2);
}

/// When LISTEN_DATABASE_URL can't be reached, the tail polls DATABASE_URL.
#[tokio::test]
async fn the_tail_polls_if_the_direct_connection_fails() {
    let db = database().await;
    let flags = ["test", "--database-url", &db.url, "--listen-database-url", "postgres://u:p@127.0.0.1:1/d"];
    let args = <Flags as clap::Parser>::try_parse_from(flags).unwrap().database;
    let mut updates = follow(oasis_store::Store::new(args, "test").unwrap().tail());
    while !matches!(next(&mut updates).await, Update::Up { polls: Some(_) }) {}
    client(&db.url).await.batch_execute(&plain_insert(1)).await.unwrap();
    assert_eq!(collect(&mut updates, 1).await[0].id, 1);
}

#[derive(clap::Parser)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) database: oasis_store::DatabaseArgs,
}

/// The cancellation of a read does not cancel another read, and the cancelled read does not take the answer
/// of another read.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_read_does_not_affect_other_reads() {
    let db = database().await;
    let store = store(&db.url);
    for _ in 0..200 {
        let hasty = store.clone();
        let hasty = tokio::spawn(async move { hasty.head().await });
        tokio::task::yield_now().await;
        hasty.abort();
        store.head().await.unwrap();
    }
}
