use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::state_row::StateRow;

fn cast() -> CastId {
    CastId::parse("c1").unwrap()
}

fn meta(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn opened(with: Value) -> CastState {
    let mut meta = meta(with);
    meta.insert("owner".into(), "ann".into());
    let recorded_at = Ts::from_unix_seconds(1).unwrap();
    let row = StateRow { id: 1, kind: "cast.queued", meta: &meta, recorded_at };
    CastState::fold(None, row).unwrap()
}

/// A delivery of the run 7 of `acme/shop` that has the title of the cast.
fn run(attempt: i32, status: &str, conclusion: Option<&str>) -> Map<String, Value> {
    meta(json!({"run_id": 7, "attempt": attempt, "status": status, "conclusion": conclusion,
        "repository": "acme/shop", "cast": "c1", "run_started_at": "2026-01-02T03:04:05Z"}))
}

fn driven(state: &CastState, metas: &[Map<String, Value>]) -> Option<(String, String, Value)> {
    let ts = "2026-01-02T03:05:05Z".parse().unwrap();
    let runs: Vec<_> = metas.iter().zip(1..).map(|(meta, id)| RunRow { id, ts, meta }).collect();
    let event = drive(&cast(), state, &runs).unwrap()?;
    let mut members = event.meta.as_map().clone();
    members.retain(|name, _| !["castId", "owner"].contains(&name.as_str()));
    let key = event.dedup_key.unwrap().as_str().to_owned();
    Some((event.event.kind.as_str().to_owned(), key, Value::Object(members)))
}

#[test]
fn the_title_names_a_cast() {
    let named = |title| cast_in_title(title).map(|cast| cast.as_str().to_owned());
    assert_eq!(named("Deploy [cast:a-1.b_C]").as_deref(), Some("a-1.b_C"));
    assert_eq!(named("[cast:] [cast:a b] [cast:..] [cast:x] [cast:y]").as_deref(), Some("x"));
    for title in ["", "[cast:x", "cast:x]", "[Cast:x]", "[cast: x]"] {
        assert_eq!(named(title), None, "{title}");
    }
}

#[test]
fn a_run_starts_and_ends_its_cast() {
    let state = opened(json!({"runId": "7"}));
    let expected = json!({"attempt": 1, "startedAt": "2026-01-02T03:04:05.000Z"});
    let started = Some(("cast.started".into(), "cast:c1:1:running".into(), expected));
    assert_eq!(driven(&state, &[run(1, "in_progress", None), run(1, "queued", None)]), started);
    let times = json!({"attempt": 1, "startedAt": "2026-01-02T03:04:05.000Z",
        "finishedAt": "2026-01-02T03:05:05.000Z"});
    let end = |kind: &str, meta| Some((kind.to_owned(), "cast:c1:1:end".to_owned(), meta));
    let success = [run(1, "completed", Some("success")), run(1, "in_progress", None)];
    assert_eq!(driven(&state, &success), end("cast.succeeded", times.clone()));
    for conclusion in ["failure", "cancelled", "timed_out", "neutral", "skipped", "stale", "startup_failure"]
    {
        let mut failed = times.clone();
        failed["errorMessage"] = format!("the workflow run ended with the conclusion {conclusion}").into();
        let runs = [run(1, "completed", Some(conclusion))];
        assert_eq!(driven(&state, &runs), end("cast.failed", failed), "{conclusion}");
    }
}

#[test]
fn an_approval_that_is_missing_is_no_end() {
    let state = opened(json!({"runId": "7"}));
    for (status, conclusion) in [("completed", Some("action_required")), ("completed", None), ("new", None)] {
        assert_eq!(driven(&state, &[run(1, status, conclusion)]), None, "{status} {conclusion:?}");
    }
}

#[test]
fn a_later_attempt_reopens_the_cast() {
    let mut state = opened(json!({"runId": "7"}));
    state.status = CastStatus::Failed;
    assert_eq!(driven(&state, &[run(1, "completed", Some("success"))]), None, "the first end stands");
    let queued = ("cast.queued".into(), "cast:c1:2:queued".into(), json!({"attempt": 2}));
    assert_eq!(driven(&state, &[run(1, "completed", Some("failure")), run(2, "queued", None)]), Some(queued));
}

#[test]
fn a_title_maps_a_run_only_within_the_repository_of_the_cast() {
    let state = opened(json!({"repository": "Acme/Shop"}));
    let mapped = ("cast.updated".into(), "cast:c1:1:run".into(), json!({"attempt": 1, "runId": "7"}));
    assert_eq!(driven(&state, &[run(1, "queued", None)]), Some(mapped));
    let mut second = run(1, "completed", Some("success"));
    second.insert("run_id".into(), 8.into());
    let started = json!({"attempt": 1, "runId": "7", "startedAt": "2026-01-02T03:04:05.000Z"});
    let started = ("cast.started".into(), "cast:c1:1:running".into(), started);
    assert_eq!(driven(&state, &[run(1, "in_progress", None), second]), Some(started), "the first run counts");
    for other in [opened(json!({})), opened(json!({"repository": "acme/other"}))] {
        assert_eq!(driven(&other, &[run(1, "in_progress", None)]), None);
    }
    for (name, value) in [("cast", json!("c2")), ("cast", json!(null)), ("run_id", json!("7"))] {
        let mut row = run(1, "in_progress", None);
        row.insert(name.into(), value);
        assert_eq!(driven(&state, &[row]), None, "{name}");
    }
    let taken = opened(json!({"repository": "acme/shop", "runId": "9"}));
    assert_eq!(driven(&taken, &[run(1, "in_progress", None)]), None, "the cast has another run");
}

#[test]
fn the_start_that_a_service_reported_stands() {
    let mut state = opened(json!({"runId": "7", "startedAt": "2026-01-02T03:00:00Z"}));
    state.status = CastStatus::Running;
    let (_, _, meta) = driven(&state, &[run(1, "completed", Some("success"))]).unwrap();
    assert_eq!(meta, json!({"attempt": 1, "finishedAt": "2026-01-02T03:05:05.000Z"}));
}

const CONCLUSIONS: [&str; 3] = ["success", "failure", "cancelled"];

/// The rows of a cast, as the table stores them: each dedup key once.
#[derive(Default)]
struct Table {
    keys: HashSet<String>,
    state: Option<CastState>,
    statuses: Vec<(i32, CastStatus)>,
    rows: i64,
}

impl Table {
    fn append(&mut self, event: &NewEvent) {
        let key = event.dedup_key.as_ref().unwrap().as_str().to_owned();
        if !self.keys.insert(key) {
            return;
        }
        self.rows += 1;
        let recorded_at = event.event.ts;
        let (kind, meta) = (event.event.kind.as_str(), event.meta.as_map());
        self.state = CastState::fold(self.state.take(), StateRow { id: self.rows, kind, meta, recorded_at });
        self.statuses.extend(self.state.as_ref().map(|state| (state.attempt, state.status)));
    }
}

proptest! {
    /// Deliveries arrive in any order, and some arrive twice. Several gateways read at any time, and append
    /// later what they have computed.
    #[test]
    fn any_order_of_deliveries_ends_where_the_run_ended(
        attempts in prop::collection::vec(prop::sample::select(&CONCLUSIONS[..]), 1..4),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        turns in prop::collection::vec((0..3_usize, any::<bool>()), 0..40),
        by_title in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let steps = |(nth, conclusion): (usize, &&'static str)| {
            let attempt = i32::try_from(nth).unwrap() + 1;
            [("queued", None), ("in_progress", None), ("completed", Some(*conclusion))]
                .map(|(status, conclusion)| run(attempt, status, conclusion))
        };
        let all: Vec<_> = attempts.iter().enumerate().flat_map(steps).collect();
        let repeated = picks.iter().map(|pick| pick.index(all.len()));
        let mut order: Vec<usize> = (0..all.len()).chain(repeated).collect();
        let mut random = seed;
        for at in (1..order.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(at, usize::try_from(random >> 33).unwrap() % (at + 1));
        }
        let opened = if by_title { json!({"repository": "acme/shop"}) } else { json!({"runId": "7"}) };
        let mut table = Table { state: Some(self::opened(opened)), rows: 1, ..Table::default() };
        let ts = "2026-01-02T03:05:05Z".parse().unwrap();
        let row = |(nth, id): (&usize, i64)| RunRow { id, ts, meta: &all[*nth] };
        let rows: Vec<_> = order.iter().zip(1..).map(row).collect();
        let mut computed: [Option<NewEvent>; 3] = [None, None, None];
        let mut stored = 0;
        let mut turns = turns.into_iter();
        loop {
            match turns.next() {
                Some((gateway, true)) => {
                    let state = table.state.as_ref().unwrap();
                    computed[gateway] = drive(&cast(), state, &rows[..stored]).unwrap();
                }
                Some((gateway, false)) => {
                    computed[gateway].take().iter().for_each(|event| table.append(event));
                    stored = (stored + 1).min(rows.len());
                }
                None => break,
            }
        }
        computed.iter().flatten().for_each(|event| table.append(event));
        // A gateway reads again after each row of the cast. Twice is enough.
        for _ in 0..2 {
            let event = drive(&cast(), table.state.as_ref().unwrap(), &rows).unwrap();
            event.iter().for_each(|event| table.append(event));
        }
        let state = table.state.unwrap();
        let last = attempts.last().unwrap();
        let expected = if *last == "success" { CastStatus::Succeeded } else { CastStatus::Failed };
        prop_assert_eq!((state.attempt, state.status), (i32::try_from(attempts.len()).unwrap(), expected));
        prop_assert_eq!(state.text("runId"), Some("7"));
        let rank = |(attempt, status): &(i32, CastStatus)| (*attempt, status.rank());
        let ranks: Vec<_> = table.statuses.iter().map(rank).collect();
        prop_assert!(ranks.is_sorted(), "a status went back: {:?}", ranks);
    }
}
