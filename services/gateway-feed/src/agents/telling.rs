//! What the table is told of an agent: that it is lost, or that it is back. All gateways tell the same under the same
//! key, so each is stored once.

use std::time::Duration;

use oasis_core::ping::{BACK, LOST};
use oasis_core::{Channel, DedupKey, Event, Kind, Meta, MetaValue, NewEvent, Source, Status, Ts};
use ring::digest;
use serde_json::{Value, json};

use super::agent::Loss;
use super::heard::Heard;

/// An event on its way into the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Telling {
    pub(crate) instance: String,
    /// That it is back; else that it is lost.
    pub(crate) back: bool,
    /// The last ping of the lost, or the loss of the one who is back.
    pub(crate) about: i64,
    /// `None` for one that can't be put as an event, which nothing that the table accepts should be.
    pub(crate) event: Option<NewEvent>,
}

impl Telling {
    pub(crate) fn lost(ping: &Heard, ts: Ts) -> Self {
        let meta = who(ping)
            .with("last_seen", Some(Ts::clamped(ping.recorded_at).to_string()))
            .with("last_id", Some(ping.id));
        Self::new(ping, false, ping.id, (LOST, Status::Failure), meta, ts)
    }

    pub(crate) fn back(ping: &Heard, lost: &Loss, ts: Ts) -> Self {
        let away = ping.recorded_at.duration_since(lost.last_seen);
        let meta = who(ping).with("away", Some(away.as_secs().max(0))).with("lost_id", Some(lost.id));
        Self::new(ping, true, lost.id, (BACK, Status::Info), meta, ts)
    }

    fn new(ping: &Heard, back: bool, about: i64, (kind, status): (&str, Status), meta: Meta, ts: Ts) -> Self {
        let instance = ping.who.instance.clone();
        let event = event(ping, kind, status, ts).zip(key(back, &instance, about));
        let event = event.map(|(event, key)| NewEvent {
            event,
            channel: Channel::devhub(),
            meta,
            dedup_key: Some(key),
        });
        Self { instance, back, about, event }
    }
}

fn event(ping: &Heard, kind: &str, status: Status, ts: Ts) -> Option<Event> {
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

/// An instance that no key may hold, since it has control characters, is told apart by its digest.
fn key(back: bool, instance: &str, about: i64) -> Option<DedupKey> {
    let word = if back { "back" } else { "lost" };
    DedupKey::new("gateway", &format!("{word}:{instance}:{about}"))
        .or_else(|_| {
            let digest = digest::digest(&digest::SHA256, format!("{instance}:{about}").as_bytes());
            DedupKey::of_digest("gateway", &format!("{word}:"), digest.as_ref())
        })
        .ok()
}

fn who(ping: &Heard) -> Meta {
    ping.who.meta().with("interval", ping.interval.map(|each| MetaValue::Plain(seconds(each))))
}

/// Whole seconds as a whole number.
pub(crate) fn seconds(duration: Duration) -> Value {
    match duration.subsec_nanos() {
        0 => json!(duration.as_secs()),
        _ => json!(duration.as_secs_f64()),
    }
}
