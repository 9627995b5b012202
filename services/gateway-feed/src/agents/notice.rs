//! A [`Notice`] is an event that reports an agent as lost or as back. All gateways append the event under
//! the same key, so the table stores the event only once.

use oasis_core::ping::{BACK, LOST};
use oasis_core::{Channel, DedupKey, Event, Kind, Meta, MetaValue, NewEvent, Source, Status, Ts};
use ring::digest;

use super::loss::Loss;
use super::observation::Observation;

/// What a notice reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The agent is lost. `last_id` is the id of its last ping.
    Lost { last_id: i64 },
    /// The agent is back. `lost_id` is the id of the event that reported the loss.
    Back { lost_id: i64 },
}

/// A report that a gateway appends to the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notice {
    pub(super) instance: String,
    pub(super) change: Change,
    /// `None` if no valid event can be made from the notice. This should not happen, because all values
    /// come from a stored ping.
    pub(super) event: Option<NewEvent>,
}

impl Notice {
    pub(super) fn lost(ping: &Observation, ts: Ts) -> Self {
        let meta = agent_meta(ping)
            .with("last_seen", Some(Ts::clamped(ping.recorded_at).to_string()))
            .with("last_id", Some(ping.id));
        Self::new(ping, Change::Lost { last_id: ping.id }, meta, ts)
    }

    pub(super) fn back(ping: &Observation, lost: &Loss, ts: Ts) -> Self {
        let away = ping.recorded_at.duration_since(lost.last_seen);
        let meta = agent_meta(ping).with("away", Some(away.as_secs().max(0))).with("lost_id", Some(lost.id));
        Self::new(ping, Change::Back { lost_id: lost.id }, meta, ts)
    }

    fn new(ping: &Observation, change: Change, meta: Meta, ts: Ts) -> Self {
        let instance = ping.who.instance.clone();
        let event = event(ping, change, ts).zip(key(change, &instance));
        let event = event.map(|(event, key)| NewEvent {
            event,
            channel: Channel::devhub(),
            meta,
            dedup_key: Some(key),
        });
        Self { instance, change, event }
    }

    /// Whether the notice reports a loss.
    pub(super) fn is_loss(&self) -> bool {
        matches!(self.change, Change::Lost { .. })
    }
}

fn event(ping: &Observation, change: Change, ts: Ts) -> Option<Event> {
    let (kind, status) = match change {
        Change::Lost { .. } => (LOST, Status::Failure),
        Change::Back { .. } => (BACK, Status::Info),
    };
    Some(Event {
        ts,
        task: ping.task.clone(),
        layer_hint: Some(ping.layer.clone()),
        module: ping.module.clone(),
        source: Source::AgentPing,
        kind: Kind::parse(kind).ok()?,
        status,
        link: None,
    })
}

/// The deduplication key of a notice. If the name of the instance is too long for a key, or has control
/// characters, the key contains a digest instead of the name.
fn key(change: Change, instance: &str) -> Option<DedupKey> {
    let (word, id) = match change {
        Change::Lost { last_id } => ("lost", last_id),
        Change::Back { lost_id } => ("back", lost_id),
    };
    DedupKey::new("gateway", &format!("{word}:{instance}:{id}"))
        .or_else(|_| {
            let digest = digest::digest(&digest::SHA256, format!("{instance}:{id}").as_bytes());
            DedupKey::of_digest("gateway", &format!("{word}:"), digest.as_ref())
        })
        .ok()
}

fn agent_meta(ping: &Observation) -> Meta {
    ping.who.meta().with("interval", ping.interval_seconds().map(MetaValue::Plain))
}
