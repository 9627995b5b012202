//! Reads events about agents ([`Observation`]).

use std::time::Duration;

use jiff::Timestamp;
use oasis_core::ping::{self, BACK, LOST, PING, Pinger};
use oasis_core::room::RoomId;
use oasis_core::{Layer, Meta, Module, Source, Status, Task, Ts};
use oasis_store::StoredEvent;
use serde_json::{Map, Value};

/// What an event about an agent reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// The agent is alive, or has stopped.
    Ping,
    /// A gateway reported the agent as lost.
    Lost {
        /// The id of the agent's last ping that the gateway had read. `None` if the event names no ping, or
        /// names a ping that cannot exist. In that case, the loss covers all pings before the event.
        last_id: Option<i64>,
        /// When the agent's last ping was recorded. If the event does not contain this time, the time at
        /// which the event itself was recorded.
        last_seen: Timestamp,
    },
    /// A gateway reported the agent as back.
    Back {
        /// The id of the loss from which the agent is back; `None` if the event names no loss.
        lost_id: Option<i64>,
    },
}

/// An event about an agent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observation {
    pub(super) id: i64,
    pub(super) report: Report,
    pub(super) who: Pinger,
    /// The name of the token with which the event was sent, see [`ping::via`].
    pub(super) via: String,
    pub(super) ts: Ts,
    pub(super) task: Task,
    pub(super) layer: Layer,
    pub(super) module: Module,
    pub(super) status: Status,
    /// The agent promises that its next ping comes within this time. `None` if the agent promises no next
    /// ping.
    pub(super) interval: Option<Duration>,
    /// Whether the ping only repeats the agent's previous ping.
    pub(super) is_repeat: bool,
    /// The room with the agent's log. `None` if the event names none.
    pub(super) room: Option<RoomId>,
    pub(super) recorded_at: Timestamp,
}

impl Observation {
    /// Reads an event. Returns `None` if the event is not about an agent, or is not in the public channel.
    pub(super) fn read(event: &StoredEvent) -> Option<Self> {
        if event.source != Source::AgentPing || !event.channel.is_devhub() {
            return None;
        }
        let empty = Map::new();
        // `Meta` keeps the parsed object, so `is_repeat` does not parse the object again.
        let meta = event.meta.as_ref().map_or(&empty, Meta::as_map);
        let report = match event.kind.as_str() {
            PING => Report::Ping,
            LOST => Report::Lost {
                last_id: meta.get("last_id").and_then(Value::as_i64).filter(|id| (0..=event.id).contains(id)),
                last_seen: meta
                    .get("last_seen")
                    .and_then(Value::as_str)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(event.recorded_at),
            },
            BACK => Report::Back { lost_id: meta.get("lost_id").and_then(Value::as_i64) },
            _ => return None,
        };
        Some(Self {
            id: event.id,
            report,
            who: Pinger::read(meta, event.module.as_str()),
            via: ping::via(meta).to_owned(),
            ts: event.ts,
            task: event.task.clone(),
            layer: event.layer.clone(),
            module: event.module.clone(),
            status: event.status,
            interval: ping::interval(meta),
            is_repeat: ping::is_repeat(meta),
            room: meta.get("room").and_then(Value::as_str).and_then(|room| RoomId::parse(room).ok()),
            recorded_at: event.recorded_at,
        })
    }

    /// Whether this ping reports that the agent has stopped.
    pub(super) fn stopped(&self) -> bool {
        self.status.is_final()
    }

    /// Whether the agent works on a task.
    pub(super) fn works(&self) -> bool {
        self.status == Status::InProgress
    }

    /// The interval in seconds, as an integer if the interval is a whole number of seconds.
    pub(super) fn interval_seconds(&self) -> Option<Value> {
        self.interval.map(|interval| match interval.subsec_nanos() {
            0 => interval.as_secs().into(),
            _ => interval.as_secs_f64().into(),
        })
    }
}

/// Whether an event only repeats the agent's previous ping. The caller must have read the event with its
/// `meta`.
pub(crate) fn is_repeat(event: &StoredEvent) -> bool {
    event.source == Source::AgentPing
        && event.meta.as_ref().is_some_and(|meta| ping::is_repeat(meta.as_map()))
}
