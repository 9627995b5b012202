//! What an event says of an agent, as far as it is kept.

use std::time::Duration;

use jiff::Timestamp;
use oasis_core::ping::{self, BACK, LOST, PING, Pinger};
use oasis_core::{Layer, Meta, Module, Source, Status, Task, Ts};
use oasis_store::StoredEvent;
use serde_json::{Map, Value};

/// Which of the three an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// Its agent lives, or has stopped.
    Ping,
    /// Somebody missed it.
    Lost {
        /// The last ping that was heard of it; `None`, for whatever came before, where whoever says so names none there is.
        last_id: Option<i64>,
        /// When that was recorded.
        last_seen: Timestamp,
    },
    /// Somebody heard of it again.
    Back {
        /// The loss that it is back from; `None` where whoever says so does not name it.
        lost_id: Option<i64>,
    },
}

/// An event that is by or of an agent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) id: i64,
    pub(crate) said: Said,
    pub(crate) who: Pinger,
    pub(crate) ts: Ts,
    pub(crate) task: Task,
    pub(crate) layer: Layer,
    pub(crate) module: Module,
    pub(crate) status: Status,
    /// What the next ping is promised within.
    pub(crate) interval: Option<Duration>,
    pub(crate) recorded_at: Timestamp,
}

impl Heard {
    /// Reads an event of the public channel; `None` when it is not about the life of an agent.
    pub(crate) fn read(event: &StoredEvent) -> Option<Self> {
        let life = matches!(event.kind.as_str(), PING | LOST | BACK);
        if event.source != Source::AgentPing || !event.channel.is_devhub() || !life {
            return None;
        }
        let nothing = Map::new();
        let meta = event.meta.as_ref().map_or(&nothing, Meta::as_map);
        let said = match event.kind.as_str() {
            PING => Said::Ping,
            BACK => Said::Back { lost_id: meta.get("lost_id").and_then(Value::as_i64) },
            _ => Said::Lost {
                last_id: meta.get("last_id").and_then(Value::as_i64).filter(|id| (0..=event.id).contains(id)),
                last_seen: meta
                    .get("last_seen")
                    .and_then(Value::as_str)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(event.recorded_at),
            },
        };
        Some(Self {
            id: event.id,
            said,
            who: Pinger::read(meta, event.module.as_str()),
            ts: event.ts,
            task: event.task.clone(),
            layer: event.layer.clone(),
            module: event.module.clone(),
            status: event.status,
            interval: ping::interval(meta),
            recorded_at: event.recorded_at,
        })
    }

    /// Whether its agent has said goodbye with it.
    pub(crate) fn stopped(&self) -> bool {
        match self.status {
            Status::Success | Status::Failure | Status::Cancelled => true,
            Status::Queued | Status::InProgress | Status::Info => false,
        }
    }

    /// Whether its agent is at a task.
    pub(crate) fn works(&self) -> bool {
        self.status == Status::InProgress
    }
}

/// Whether an event only says again what its agent said before; its `meta` must have been read.
pub(crate) fn is_repeat(event: &StoredEvent) -> bool {
    event.source == Source::AgentPing
        && event.meta.as_ref().is_some_and(|meta| ping::is_repeat(meta.as_map()))
}
