//! Makes registries with an injected clock, and the events that they read.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use oasis_core::{Channel, DedupKey, Kind, Layer, Meta, Module, Source, Ts};
use oasis_store::StoredEvent;
use serde_json::{Value, json};

use crate::agents::agent::Agent;
use crate::agents::notice::Notice;
use crate::agents::observation::Observation;
use crate::agents::pace::BELIEVED;
use crate::agents::registry::Registry;
use crate::agents::state::State;

const INTERVAL: u64 = 60;

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn stored(id: i64, kind: &str, status: &str, vtid: &str, meta: &Value) -> StoredEvent {
    StoredEvent {
        id,
        ts: format!("2026-01-02T03:04:05.{id:03}Z").parse().unwrap(),
        task: vtid.parse().unwrap(),
        layer: Layer::unset(),
        module: Module::parse("PLANNER").unwrap(),
        source: Source::AgentPing,
        kind: Kind::parse(kind).unwrap(),
        status: status.parse().unwrap(),
        title: "".into(),
        reference: "".into(),
        link: None,
        channel: Channel::devhub(),
        recorded_at: Timestamp::from_second(1_767_323_045 + id).unwrap(),
        meta: Some(Meta::stored(meta.to_string())),
    }
}

pub(super) fn ping(id: i64, instance: &str, status: &str) -> Observation {
    let meta = json!({ "agent": "planner", "instance": instance, "interval": INTERVAL });
    Observation::read(&stored(id, "ping", status, "IDLE", &meta)).unwrap()
}

pub(super) fn lost(id: i64, instance: &str, last_id: i64) -> Observation {
    let meta = json!({ "agent": "planner", "instance": instance, "last_id": last_id });
    Observation::read(&stored(id, "ping.lost", "failure", "IDLE", &meta)).unwrap()
}

pub(super) fn back(id: i64, instance: &str) -> Observation {
    let meta = json!({ "agent": "planner", "instance": instance });
    Observation::read(&stored(id, "ping.back", "info", "IDLE", &meta)).unwrap()
}

/// A registry whose tail has not started. The registry always believes that the table answers, unless a
/// test calls [`Registry::probed`].
pub(super) fn unstarted(most: usize) -> Registry {
    let mut registry = Registry::new(most);
    registry.probed(Duration::ZERO, true, Some(Duration::MAX - BELIEVED));
    registry
}

/// A registry whose tail has started with an empty table.
pub(super) fn registry(most: usize) -> Registry {
    let mut registry = unstarted(most);
    registry.start();
    registry.up(Duration::ZERO);
    let epoch = registry.wants_seed().unwrap();
    registry.seed(epoch, [], Duration::ZERO);
    registry
}

pub(super) fn state(registry: &Registry, now: u64) -> State {
    only(registry, now).1
}

pub(super) fn only(registry: &Registry, now: u64) -> (&Agent, State) {
    let mut all = registry.all(seconds(now));
    let one = all.next().expect("the registry has no agent");
    assert!(all.next().is_none(), "the registry has more than one agent");
    one
}

pub(super) fn due(registry: &Registry, now: u64) -> Vec<Notice> {
    registry.due(seconds(now), Ts::clamped(Timestamp::UNIX_EPOCH), 1_000)
}

pub(super) fn key(notice: &Notice) -> String {
    notice.event.as_ref().unwrap().dedup_key.as_ref().map(DedupKey::as_str).unwrap().to_owned()
}

pub(super) fn keys(registry: &Registry, now: u64) -> BTreeSet<String> {
    due(registry, now).iter().map(key).collect()
}
