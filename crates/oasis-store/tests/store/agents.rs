//! Tests that `Store::agents` reads the latest events of each agent, and that it distinguishes instances in
//! the same way as `Pinger::read`.

use std::collections::BTreeMap;

use oasis_core::ping::{Pinger, interval};
use oasis_store::{AgentEvent, DatabaseArgs, Store};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use crate::replay::{as_reader, pages_accessed};
use crate::{client, database, store};

/// Inserts an event of an agent, recorded `hours` ago, and returns the id of the event.
async fn insert(client: &Client, kind: &str, status: &str, meta: &Value, hours: i32) -> i64 {
    let sql = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, meta, \
        recorded_at) \
               VALUES (now(), 'IDLE', 'UNSET', 'PLANNER', 'agent.ping', $1, $2, \
               'UNSET-PLANNER-' || upper(replace($1, '.', '-')), \
                       'vt/IDLE-' || replace($1, '.', '-'), $3::text::jsonb, \
                       clock_timestamp() - $4::int * interval '1 hour') \
               RETURNING id";
    client.query_one(sql, &[&kind, &status, &meta.to_string(), &hours]).await.unwrap().get(0)
}

/// Inserts `count` pings, which are numbered from 1. `status` and `meta` are SQL expressions that may contain
/// the number n of the ping. `meta` lists keys and values.
async fn fill(client: &Client, count: u32, status: &str, meta: &str) {
    let sql = format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, meta) \
         SELECT now(), 'IDLE', 'UNSET', 'X', 'agent.ping', 'ping', {status}, 'UNSET-X-PING', 'vt/IDLE-ping', \
                jsonb_build_object({meta}) FROM generate_series(1, {count}) AS n"
    );
    client.batch_execute(&sql).await.unwrap();
}

fn ids(events: &[AgentEvent]) -> Vec<i64> {
    events.iter().map(|found| found.event.id).collect()
}

#[tokio::test]
async fn the_last_events_of_every_sort_are_read_for_each_instance() {
    let db = database().await;
    let sql = client(&db.url).await;
    let plain = |name: &str| json!({ "agent": "a", "instance": name, "interval": 60 });
    let repeat = |name: &str| json!({ "agent": "a", "instance": name, "interval": 60, "repeat": true });
    assert_eq!(store(&db.url).agents().await.unwrap(), []);

    let mut wanted = Vec::new();
    insert(&sql, "ping", "info", &plain("busy"), 3).await;
    wanted.push(insert(&sql, "ping", "in_progress", &plain("busy"), 2).await);
    for _ in 0..50 {
        insert(&sql, "ping", "in_progress", &repeat("busy"), 1).await;
    }
    wanted.push(insert(&sql, "ping", "in_progress", &repeat("busy"), 1).await);
    wanted.push(insert(&sql, "ping", "in_progress", &plain("back"), 3).await);
    for nth in 1..10 {
        let id = insert(&sql, "ping.lost", "failure", &plain("back"), 2).await;
        wanted.extend((nth > 2).then_some(id));
    }
    wanted.push(insert(&sql, "ping.lost", "failure", &plain("back"), 2).await);
    wanted.push(insert(&sql, "ping", "in_progress", &repeat("back"), 1).await);
    wanted.push(insert(&sql, "ping.back", "info", &plain("back"), 1).await);
    // Other kinds of the same source, instances without a ping, and other channels are ignored.
    insert(&sql, "note", "info", &plain("busy"), 0).await;
    insert(&sql, "ping.lost", "failure", &plain("never seen"), 0).await;
    sql.batch_execute(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel) \
         VALUES \
         (now(), 'IDLE', 'UNSET', 'X', 'agent.ping', 'ping', 'info', 'UNSET-X-PING', 'vt/IDLE-ping', \
         'room:1')",
    )
    .await
    .unwrap();
    let read = store(&db.url).agents().await.unwrap();
    assert_eq!(ids(&read), wanted);
    let last = &read[1];
    assert!((3_590..3_700).contains(&last.age.as_secs()), "{:?}", last.age);
    let meta: Value = serde_json::from_str(last.event.meta.as_ref().unwrap().as_json()).unwrap();
    assert_eq!(meta, repeat("busy"));
}

#[tokio::test]
async fn instances_that_ended_are_read_for_one_more_day() {
    let db = database().await;
    let sql = client(&db.url).await;
    let plain = |name: &str| json!({ "instance": name, "interval": 60 });
    let mut wanted = Vec::new();
    for (name, status, hours, stays) in [
        ("alive, last ping long ago", "in_progress", 1_000, true),
        ("stopped today", "success", 23, true),
        ("stopped yesterday", "success", 25, false),
        ("failed yesterday", "failure", 25, false),
    ] {
        let id = insert(&sql, "ping", status, &plain(name), hours).await;
        wanted.extend(stays.then_some(id));
    }
    let lost = |name, hours| (name, hours);
    for (name, hours) in [lost("lost today", 23), lost("lost yesterday", 25)] {
        let ids = [
            insert(&sql, "ping", "info", &plain(name), 30).await,
            insert(&sql, "ping.lost", "failure", &plain(name), hours).await,
        ];
        wanted.extend(ids.into_iter().filter(|_| hours < 24));
    }
    // An instance that promises no next ping is never reported as lost. It is left out only because its last
    // ping is old.
    insert(&sql, "ping", "info", &json!({ "instance": "promises nothing" }), 25).await;
    insert(&sql, "ping", "info", &json!({ "instance": "promises words", "interval": "60" }), 25).await;
    wanted.push(insert(&sql, "ping", "info", &json!({ "instance": "promises nothing, today" }), 1).await);
    assert_eq!(ids(&store(&db.url).agents().await.unwrap()), wanted);
}

#[tokio::test]
async fn instances_are_read_once_even_if_several_statements_are_needed() {
    let db = database().await;
    let sql = client(&db.url).await;
    fill(&sql, 25_000, "'info'", "'instance', 'host:' || n % 12500, 'interval', 60, 'repeat', n > 12500")
        .await;
    let read = store(&db.url).agents().await.unwrap();
    // Of the 12,500 instances, the 10,000 instances that pinged last are read. Each has two pings.
    assert_eq!(ids(&read), (2_501..=12_500).chain(15_001..=25_000).collect::<Vec<_>>());
}

/// If there are too many instances, the instances that promise no next ping are dropped first, then the
/// instances that ended. It does not matter how recent their pings are.
#[tokio::test]
async fn instances_that_promise_a_next_ping_are_kept_first() {
    let db = database().await;
    let sql = client(&db.url).await;
    let status = "CASE n % 3 WHEN 0 THEN 'success' ELSE 'info' END";
    let meta = "'instance', 'host:' || n, 'interval', CASE n % 3 WHEN 1 THEN 60 ELSE 0 END";
    fill(&sql, 18_000, status, meta).await;
    let read = ids(&store(&db.url).agents().await.unwrap());
    let ended: Vec<i64> = (1..=18_000).filter(|n| n % 3 == 0).collect();
    let mut wanted: Vec<i64> = (1..=18_000).filter(|n| n % 3 == 1).chain(ended[2_000..].to_vec()).collect();
    wanted.sort_unstable();
    assert_eq!(read, wanted);
}

/// Very many agents of one token do not keep those of another token out, even if these pinged longer ago.
#[tokio::test]
async fn the_token_with_the_most_instances_loses_its_oldest() {
    let db = database().await;
    let sql = client(&db.url).await;
    fill(&sql, 1_000, "'info'", "'instance', 'mine/' || n, 'interval', 60, 'via', 'mine'").await;
    fill(&sql, 12_000, "'info'", "'instance', 'hostile/' || n, 'interval', 60, 'via', 'hostile'").await;
    let read = store(&db.url).agents().await.unwrap();
    assert_eq!(ids(&read), (1..=1_000).chain(4_001..=13_000).collect::<Vec<_>>());
}

/// Nor do they keep out those that have ended, promise no next ping or pinged once. A gateway that runs
/// forgets agents in the same order.
#[tokio::test]
async fn a_token_keeps_its_share_of_instances_of_every_kind() {
    let db = database().await;
    let sql = client(&db.url).await;
    let mine = "'instance', 'mine/' || n, 'interval', CASE n WHEN 1 THEN 0 ELSE 60 END, 'via', 'mine'";
    fill(&sql, 3, "CASE n WHEN 2 THEN 'success' ELSE 'info' END", mine).await;
    let hostile = "'instance', 'hostile/' || n, 'interval', 60, 'via', 'hostile'";
    fill(&sql, 12_000, "'info'", &format!("{hostile}, 'repeat', n <= 1000")).await;
    let read = store(&db.url).agents().await.unwrap();
    // Those that repeat a ping are regular agents.
    assert_eq!(ids(&read), (1..=1_003).chain(3_007..=12_003).collect::<Vec<_>>());
}

/// Only the last events of each instance are read, even if the instance has sent thousands of pings.
#[tokio::test]
async fn a_long_history_of_pings_is_not_read() {
    let db = database().await;
    // This session fills the table, and ends before the pages are counted.
    let filler = client(&as_reader(&db.url)).await;
    // Autovacuum is off, because the pages that autovacuum reads would be counted as pages of the reader.
    filler.batch_execute("ALTER TABLE oasis_events SET (autovacuum_enabled = off)").await.unwrap();
    fill(&filler, 40_000, "'info'", "'instance', 'host:' || n % 20, 'interval', 60, 'repeat', n > 20").await;
    drop(filler);
    let sql = client(&db.url).await;
    for analysed in [false, true] {
        if analysed {
            sql.batch_execute("ANALYZE oasis_events").await.unwrap();
        }
        let before = pages_accessed(&sql).await;
        let reader = Store::new(DatabaseArgs::new(crate::parse(&db.url)), "reader").unwrap();
        assert_eq!(reader.agents().await.unwrap().len(), 40);
        drop(reader);
        let pages = pages_accessed(&sql).await - before;
        assert!((40..1_500).contains(&pages), "the read accessed {pages} pages, analysed: {analysed}");
    }
}

fn metas() -> impl Strategy<Value = Map<String, Value>> {
    let text = prop_oneof![
        3 => "[a-e]{0,2}".prop_map(Value::from),
        1 => "\\PC{0,8}".prop_map(Value::from),
        1 => (190..210usize, prop::sample::select(vec!["x", "é", "😀"]))
            .prop_map(|(n, c)| Value::from(c.repeat(n))),
        1 => Just(json!(7)),
        1 => Just(json!(null)),
        1 => Just(json!(["a"])),
    ];
    let number = prop_oneof![
        Just(json!(60)),
        Just(json!(0.5)),
        Just(json!(0)),
        Just(json!(-3)),
        Just(json!("60")),
        Just(json!(true)),
        Just(json!(1e30)),
    ];
    let maybe = |value: BoxedStrategy<Value>| prop::option::of(value);
    (maybe(text.clone().boxed()), maybe(text.boxed()), maybe(number.boxed())).prop_map(
        |(instance, agent, interval)| {
            [("instance", instance), ("agent", agent), ("interval", interval)]
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect()
        },
    )
}

/// For any `meta`, the index and `Pinger::read` distinguish the same instances. They also agree on whether a
/// ping promises a next ping.
#[tokio::test]
async fn the_index_and_pinger_read_agree_on_instances_and_promises() {
    let db = database().await;
    let sql = client(&db.url).await;
    let mut runner = TestRunner::deterministic();
    let mut last: BTreeMap<String, (i64, bool)> = BTreeMap::new();
    for _ in 0..300 {
        let meta = metas().new_tree(&mut runner).unwrap().current();
        let promises = interval(&meta).is_some();
        let instance = Pinger::read(&meta, "PLANNER").instance;
        // The event is so old that instances that promise no next ping are left out.
        let id = insert(&sql, "ping", "info", &Value::Object(meta), 48).await;
        last.insert(instance, (id, promises));
    }
    let mut read: BTreeMap<String, i64> = BTreeMap::new();
    for found in store(&db.url).agents().await.unwrap() {
        let meta: Map<String, Value> =
            serde_json::from_str(found.event.meta.as_ref().unwrap().as_json()).unwrap();
        // The events are in id order, so the map keeps the last event of each instance.
        read.insert(Pinger::read(&meta, found.event.module.as_str()).instance, found.event.id);
    }
    let watched: BTreeMap<String, i64> = last
        .iter()
        .filter(|(_, (_, promises))| *promises)
        .map(|(name, (id, _))| (name.clone(), *id))
        .collect();
    assert!(watched.len() > 10, "{}", watched.len());
    for (name, id) in &watched {
        assert_eq!(read.get(name), Some(id), "{name}");
    }
    for (name, id) in &read {
        // If a long name has multi-byte letters, `Pinger::read` keeps fewer letters of the name than the
        // index.
        assert!(watched.contains_key(name) || name.len() > 190, "{name}: {id}");
    }
}

#[tokio::test]
async fn may_append_is_true_only_if_the_role_has_the_right_and_a_policy() {
    let db = database().await;
    assert!(store(&db.url).may_append().await.unwrap());
    let sql = client(&db.url).await;
    let role = format!("{}_reader", db.url.rsplit('/').next().unwrap().split('?').next().unwrap());
    sql.batch_execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT SELECT ON oasis_events, oasis_feed_state TO {role}; \
         CREATE POLICY {role} ON oasis_events FOR SELECT TO {role} USING (true)"
    ))
    .await
    .unwrap();
    let mut url = url::Url::parse(&db.url).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("pw")).unwrap();
    assert!(!store(url.as_str()).may_append().await.unwrap());
    sql.batch_execute(&format!("GRANT INSERT ON oasis_events TO {role}")).await.unwrap();
    assert!(!store(url.as_str()).may_append().await.unwrap(), "the role has no policy for INSERT");
    sql.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}
