//! What a gateway that starts anew knows of the agents is what it would know had it been there all the time:
//! over random histories in a real table, one registry hears all of them and another one is given what the
//! table says at the end.

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

use super::helpers::believing;
use crate::agents::observation::Observation;
use crate::agents::registry::Registry;
use crate::agents::state::State;

/// Instances, each with a history of its own.
const HISTORIES: usize = 1_500;
const DAY: u64 = 86_400;

/// What is said of an instance next.
#[derive(Debug, Clone)]
enum Said {
    Ping {
        status: &'static str,
        interval: Option<Value>,
        task: &'static str,
    },
    /// The last ping again.
    Repeat,
    /// After so many of its events; what it names is the ping that many back, or nothing, or what there can't
    /// be.
    Lost(Named),
    /// Of the loss so many back that has no return.
    Back(Option<usize>),
}

#[derive(Debug, Clone)]
enum Named {
    PingBefore(usize),
    Nothing,
    Later,
    Text,
}

fn said() -> impl Strategy<Value = Said> {
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
        6 => (0..2usize).prop_map(Named::PingBefore),
        1 => Just(Named::Nothing),
        1 => Just(Named::Later),
        1 => Just(Named::Text),
    ];
    prop_oneof![
        4 => (status, interval, task)
            .prop_map(|(status, interval, task)| Said::Ping { status, interval, task }),
        3 => Just(Said::Repeat),
        4 => named.prop_map(Said::Lost),
        3 => prop::option::weighted(0.9, 0..3usize).prop_map(Said::Back),
    ]
}

/// With the hours that pass before each. The first is a ping: only gateways say that one is lost, and of
/// those that pinged.
fn history() -> impl Strategy<Value = Vec<(Said, u32)>> {
    let first = said().prop_filter("a ping", |said| matches!(said, Said::Ping { .. }));
    let hours = prop_oneof![12 => Just(0_u32), 1 => Just(2_u32), 1 => Just(30_u32)];
    (first, prop::collection::vec((said(), hours), 0..30))
        .prop_map(|(first, rest)| std::iter::once((first, 0)).chain(rest).collect())
}

/// A row of the table to be.
#[derive(Debug)]
struct Row {
    id: i64,
    kind: &'static str,
    status: &'static str,
    task: &'static str,
    meta: String,
    hours_ago: i32,
}

/// The rows of a history that was over `hours_ago`.
fn rows(next: &mut i64, instance: &str, history: &[(Said, u32)], hours_ago: u32) -> Vec<Row> {
    let mut left: u32 = hours_ago + history.iter().map(|(_, hours)| hours).sum::<u32>();
    let (mut pings, mut lost): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
    let mut last = ("info", "IDLE", None);
    let mut rows = Vec::new();
    for (said, hours) in history {
        left -= hours;
        *next += 1;
        let id = *next;
        let mut meta = json!({ "agent": "a", "instance": instance });
        let back = |ids: &[i64], n: usize| ids.iter().rev().nth(n).or(ids.first()).copied();
        let (kind, status, task) = match said {
            Said::Ping { status, interval, task } => {
                last = (status, task, interval.clone());
                ("ping", *status, *task)
            }
            Said::Repeat => {
                meta["repeat"] = true.into();
                ("ping", last.0, last.1)
            }
            Said::Lost(named) => {
                match named {
                    Named::PingBefore(n) => meta["last_id"] = back(&pings, *n).into(),
                    Named::Nothing => {}
                    Named::Later => meta["last_id"] = (id + 1_000_000).into(),
                    Named::Text => meta["last_id"] = pings[0].to_string().into(),
                }
                lost.push(id);
                ("ping.lost", "failure", "IDLE")
            }
            Said::Back(of) => {
                match of {
                    // A return is told once.
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
    // What was left out at the end took no time.
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

/// All rows, as the tail reads them.
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

/// What a registry says of each: its state, its last ping, and what it would tell the table.
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
async fn a_restart_forgets_nothing_and_makes_nothing_up() {
    let db = testing::database(async |url| oasis_store::migrate(&url.parse().unwrap()).await).await;
    let (client, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut runner = TestRunner::deterministic();
    let mut written = Vec::new();
    let mut next = 0;
    for n in 0..HISTORIES {
        let history = history().new_tree(&mut runner).unwrap().current();
        // Every other one was over two days ago: of those the ones that ended are forgotten.
        let (name, hours) = if n % 2 == 0 { (format!("new {n}"), 0) } else { (format!("old {n}"), 48) };
        written.extend(rows(&mut next, &name, &history, hours));
    }
    for rows in written.chunks(5_000) {
        insert(&client, rows).await;
    }

    let store = Store::new(DatabaseArgs::new(db.url.parse().unwrap()), "test").unwrap();
    let [mut live, mut seeded] = [(); 2].map(|()| {
        let mut registry = believing(HISTORIES);
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
    let said = store.agents().await.unwrap();
    let observation = said.iter().map(|said| (Observation::read(&said.event).unwrap(), said.age));
    seeded.seed(seeded.wants_seed().unwrap(), observation, now);

    let mut seen = BTreeMap::new();
    // Before anybody is late, and when everybody is missed.
    for now in [now, now + Duration::from_secs(1_000)] {
        let (mut live, mut seeded) = (view(&live, now), view(&seeded, now));
        for (name, live) in &live {
            let history = || {
                let own = written.iter().filter(|row| row.meta.contains(&format!("\"{name}\"")));
                own.map(|row| format!("{row:?}\n")).collect::<String>()
            };
            assert_eq!(Some(live), seeded.get(name), "{name}: live, and from the table\n{}", history());
            *seen.entry((live.0.as_str(), live.2.len().min(3))).or_insert(0) += 1;
        }
        seeded.retain(|name, _| live.remove(name).is_none());
        assert_eq!(seeded, BTreeMap::new(), "only from the table");
    }
    // The histories are of all sorts.
    assert!(seen.len() > 8, "{seen:?}");
}
