//! Keeps one `ping.lost` of an agent ([`Loss`]), and decides whether the agent's return must still be
//! reported.

use jiff::{SignedDuration, Timestamp};
use oasis_core::Ts;
use oasis_store::ENDED_AGENTS_STAY;

use super::observation::Observation;

/// An agent's return is reported only within this time after the loss. An agent that comes back later has
/// been forgotten, and counts as a new agent.
const RETURN_WITHIN: SignedDuration = SignedDuration::from_secs(ENDED_AGENTS_STAY.as_secs() as i64);

/// A gateway's report that an agent is lost.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) id: i64,
    /// The id of the agent's last ping that the reporting gateway had read.
    last_id: i64,
    /// When the ping with the id `last_id` was recorded.
    pub(super) last_seen: Timestamp,
    recorded_at: Timestamp,
    pub(super) ts: Ts,
    /// Whether the agent's return has been reported.
    pub(super) answered: bool,
}

impl Loss {
    /// The loss that `observation` reports. If `observation` names no last ping, the loss covers all pings
    /// before `observation`.
    pub(super) fn new(observation: &Observation, last_id: Option<i64>, last_seen: Timestamp) -> Self {
        Self {
            id: observation.id,
            last_id: last_id.unwrap_or(observation.id),
            last_seen,
            recorded_at: observation.recorded_at,
            ts: observation.ts,
            answered: false,
        }
    }

    /// Whether the loss covers `ping`, the agent's last ping. If so, the agent has not come back.
    pub(super) fn covers(&self, ping: &Observation) -> bool {
        ping.id <= self.last_id
    }

    /// Whether `ping`, the agent's last ping, is a return that must still be reported. The row of the ping
    /// may even be older than the row of the loss, because the reporting gateway had not read the ping yet.
    pub(super) fn lacks_return(&self, ping: &Observation) -> bool {
        let away = ping.recorded_at.duration_since(self.recorded_at);
        !self.answered && !self.covers(ping) && away <= RETURN_WITHIN
    }
}
