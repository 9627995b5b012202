//! Tests that a gateway that has just started knows the same about the agents as a gateway that has run all
//! the time. The test writes random histories to a real table. One registry reads every event. Another
//! registry is seeded from the table at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use oasis_core::{DedupKey, Ts};
use oasis_postgres::testing;
use oasis_store::{Columns, DatabaseArgs, Order, PageQuery, Store, StoredEvent};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use super::helpers::unstarted;
use crate::agents::observation::Observation;
use crate::agents::registry::Registry;
use crate::agents::state::State;

/// The number of instances. Each instance has its own history.
const HISTORIES: usize = 1_500;
const DAY: u64 = 86_400;

/// The next event of an instance.
#[derive(Debug, Clone)]
enum Entry {
    Ping {
        status: &'static str,
        interval: Option<Value>,
        task: &'static str,
    },
    /// A repeat of the last ping.
    Repeat,
    /// A loss, which names this ping as the agent's last ping.
    Lost(NamedPing),
    /// A return. The number selects a loss that has no return yet, counted from the newest loss. With
    /// `None`, the return names no loss.
    Back(Option<usize>),
}

#[derive(Debug, Clone)]
enum NamedPing {
    PingBefore(usize),
    Nothing,
    Later,
    Text,
}

fn entry() -> impl Strategy<Value = Entry> {
    let status = prop::sample::select(vec![
        "in_progress",
        "in_progress",
        "info",
        "info",
        "queued",
        "success",
        "failure",
        "cancelled",
    ]);
    let interval = prop::sample::select(vec![
        Some(json!(60)),
        Some(json!(60)),
        Some(json!(60)),
        Some(json!(0.5)),
        Some(json!(0)),
        Some(json!("60")),
        None,
    ]);
    let task = prop::sample::select(vec!["IDLE", "DEV-TEST-0001"]);
    let named = prop_oneof![
        6 => (0..2usize).prop_map(NamedPing::PingBefore),
        1 => Just(NamedPing::Nothing),
        1 => Just(NamedPing::Later),
        1 => Just(NamedPing::Text),
    ];
    prop_oneof![
        4 => (status, interval, task)
            .prop_map(|(status, interval, task)| Entry::Ping { status, interval, task }),
        3 => Just(Entry::Repeat),
        4 => named.prop_map(Entry::Lost),
        3 => prop::option::weighted(0.9, 0..3usize).prop_map(Entry::Back),
    ]
}

/// The events of one instance, each with the number of hours since the previous event. The first event is a
/// ping, because gateways report losses only for agents that have pinged.
fn history() -> impl Strategy<Value = Vec<(Entry, u32)>> {
    let first = entry().prop_filter("must be a ping", |entry| matches!(entry, Entry::Ping { .. }));
    let hours = prop_oneof![12 => Just(0_u32), 1 => Just(2_u32), 1 => Just(30_u32)];
    (first, prop::collection::vec((entry(), hours), 0..30))
        .prop_map(|(first, rest)| std::iter::once((first, 0)).chain(rest).collect())
}

/// A row that is to be inserted.
#[derive(Debug)]
struct Row {
    id: i64,
    kind: &'static str,
    status: &'static str,
    task: &'static str,
    meta: String,
    hours_ago: i32,
}

/// The rows of a history that ended `hours_ago` hours ago.
fn rows(next: &mut i64, instance: &str, history: &[(Entry, u32)], hours_ago: u32) -> Vec<Row> {
    let mut left: u32 = hours_ago + history.iter().map(|(_, hours)| hours).sum::<u32>();
    let (mut pings, mut lost): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
    let mut last = ("info", "IDLE", None);
    let mut rows = Vec::new();
    for (entry, hours) in history {
        left -= hours;
        *next += 1;
        let id = *next;
        let mut meta = json!({ "agent": "a", "instance": instance });
        let back = |ids: &[i64], n: usize| ids.iter().rev().nth(n).or(ids.first()).copied();
        let (kind, status, task) = match entry {
            Entry::Ping { status, interval, task } => {
                last = (status, task, interval.clone());
                ("ping", *status, *task)
            }
            Entry::Repeat => {
                meta["repeat"] = true.into();
                ("ping", last.0, last.1)
            }
            Entry::Lost(named) => {
                match named {
                    NamedPing::PingBefore(n) => meta["last_id"] = back(&pings, *n).into(),
                    NamedPing::Nothing => {}
                    NamedPing::Later => meta["last_id"] = (id + 1_000_000).into(),
                    NamedPing::Text => meta["last_id"] = pings[0].to_string().into(),
                }
                lost.push(id);
                ("ping.lost", "failure", "IDLE")
            }
            Entry::Back(of) => {
                match of {
                    // A return is reported once.
                    Some(n) => match back(&lost, *n) {
                        Some(of) => {
                            lost.retain(|id| *id != of);
                            meta["lost_id"] = of.into();
                        }
                        None => continue,
                    },
                    None => lost.clear(),
                }
                ("ping.back", "info", "IDLE")
            }
        };
        if kind == "ping" {
            pings.push(id);
            if let Some(interval) = &last.2 {
                meta["interval"] = interval.clone();
            }
        }
        rows.push(Row {
            id,
            kind,
            status,
            task,
            meta: meta.to_string(),
            hours_ago: left.try_into().unwrap(),
        });
    }
    // If no row was made for the last events, the time of every row is shifted, so that the last row is
    // `hours_ago` hours old.
    let late = rows.last().map_or(0, |row| row.hours_ago) - i32::try_from(hours_ago).unwrap();
    rows.iter_mut().for_each(|row| row.hours_ago -= late);
    rows
}

async fn insert(client: &tokio_postgres::Client, rows: &[Row]) {
    let sql = "INSERT INTO oasis_events \
           (id, ts, vtid, layer, module, source, kind, status, title, ref, meta, recorded_at) \
         OVERRIDING SYSTEM VALUE \
         SELECT id, now(), vtid, layer, 'X', 'agent.ping', kind, status, \
                layer || '-X-' || upper(replace(kind, '.', '-')), \
                'vt/' || vtid || '-' || replace(kind, '.', '-'), meta::jsonb, \
                clock_timestamp() - hours * interval '1 hour' \
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[]) \
           AS said (id, kind, status, vtid, meta, hours) \
         CROSS JOIN LATERAL (SELECT CASE vtid WHEN 'IDLE' THEN 'UNSET' ELSE 'TEST' END AS layer) AS layers \
         ORDER BY id";
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let text = |field: fn(&Row) -> &str| rows.iter().map(field).collect::<Vec<&str>>();
    let hours: Vec<i32> = rows.iter().map(|row| row.hours_ago).collect();
    let (kinds, metas) = (text(|row| row.kind), text(|row| &row.meta));
    let (status, tasks) = (text(|row| row.status), text(|row| row.task));
    client.execute(sql, &[&ids, &kinds, &status, &tasks, &metas, &hours]).await.unwrap();
}

/// Reads all rows of the table, with the columns that the tail reads.
async fn read(store: &Store) -> Vec<StoredEvent> {
    let mut all: Vec<StoredEvent> = Vec::new();
    loop {
        let after = all.last().map_or(0, |event| event.id);
        let order = Order::OldestFirst { after, upto: i64::MAX };
        let query = PageQuery { columns: Columns::Tail, ..PageQuery::ticker(None, order, 500) };
        let page = store.page(&query).await.unwrap();
        if page.events.is_empty() {
            return all;
        }
        all.extend(page.events);
    }
}

/// For each instance in a registry: the state, the id of the last ping, and the keys of the notices that
/// are due.
fn view(registry: &Registry, now: Duration) -> BTreeMap<String, (State, i64, BTreeSet<String>)> {
    let mut view: BTreeMap<_, _> = registry
        .all(now)
        .map(|(agent, state)| (agent.ping.who.instance.clone(), (state, agent.ping.id, BTreeSet::new())))
        .collect();
    for notice in registry.due(now, Ts::clamped(Timestamp::UNIX_EPOCH), usize::MAX) {
        let key = notice.event.unwrap().dedup_key.as_ref().map(DedupKey::as_str).unwrap().to_owned();
        view.get_mut(&notice.instance).unwrap().2.insert(key);
    }
    view
}

#[tokio::test]
async fn a_seeded_registry_knows_the_same_as_a_registry_that_read_everything() {
    let db = testing::database(async |url| oasis_store::migrate(&url.parse().unwrap()).await).await;
    let (client, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut runner = TestRunner::deterministic();
    let mut written = Vec::new();
    let mut next = 0;
    for n in 0..HISTORIES {
        let history = history().new_tree(&mut runner).unwrap().current();
        // Every other history ended two days ago. The agents in these histories are forgotten if they have
        // ended.
        let (name, hours) = if n % 2 == 0 { (format!("new {n}"), 0) } else { (format!("old {n}"), 48) };
        written.extend(rows(&mut next, &name, &history, hours));
    }
    for rows in written.chunks(5_000) {
        insert(&client, rows).await;
    }

    let store = Store::new(DatabaseArgs::new(db.url.parse().unwrap()), "test").unwrap();
    let [mut live, mut seeded] = [(); 2].map(|()| {
        let mut registry = unstarted(HISTORIES);
        registry.start();
        registry.up(Duration::ZERO);
        registry
    });
    let now = Duration::from_secs(2 * DAY);
    live.seed(live.wants_seed().unwrap(), [], Duration::ZERO);
    let all = read(&store).await;
    assert_eq!(all.len(), written.len());
    for old in [true, false] {
        let observation = all
            .iter()
            .filter_map(Observation::read)
            .filter(|observation| observation.who.instance.starts_with("old") == old);
        let at = if old { Duration::ZERO } else { now };
        observation.for_each(|observation| live.observe(observation, at));
    }
    live.forget(now);
    live.restart_count(now);
    let seed = store.agents().await.unwrap();
    let seed = seed.iter().map(|last| (Observation::read(&last.event).unwrap(), last.age));
    seeded.seed(seeded.wants_seed().unwrap(), seed, now);

    let mut seen = BTreeMap::new();
    // At the first of these times, no agent is late yet. At the second time, every agent that can be missed
    // is missed.
    for now in [now, now + Duration::from_secs(1_000)] {
        let (mut live, mut seeded) = (view(&live, now), view(&seeded, now));
        for (name, live) in &live {
            let history = || {
                let own = written.iter().filter(|row| row.meta.contains(&format!("\"{name}\"")));
                own.map(|row| format!("{row:?}\n")).collect::<String>()
            };
            assert_eq!(Some(live), seeded.get(name), "{name}: the registries differ\n{}", history());
            *seen.entry((live.0.as_str(), live.2.len().min(3))).or_insert(0) += 1;
        }
        seeded.retain(|name, _| live.remove(name).is_none());
        assert_eq!(seeded, BTreeMap::new(), "only the seeded registry knows these agents");
    }
    // The histories cover many cases.
    assert!(seen.len() > 8, "{seen:?}");
}
