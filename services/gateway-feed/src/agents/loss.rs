//! [`Loss`]: one `ping.lost` of an agent, and whether its return is in the table.

use jiff::{SignedDuration, Timestamp};
use oasis_core::Ts;
use oasis_store::ENDED_AGENTS_STAY;

use super::observation::Observation;

/// How long after a loss its return is still reported. An agent that comes back later has been forgotten, and
/// is a new one.
const RETURN_WITHIN: SignedDuration = SignedDuration::from_secs(ENDED_AGENTS_STAY.as_secs() as i64);

/// A gateway reported an agent as lost.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) id: i64,
    /// The last ping that had been read of the agent.
    last_id: i64,
    /// When that was recorded.
    pub(super) last_seen: Timestamp,
    recorded_at: Timestamp,
    pub(super) ts: Ts,
    /// Whether the table has its return.
    pub(super) answered: bool,
}

impl Loss {
    /// The loss that `observation` is. One that names no last ping comes after all pings before it.
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

    /// Whether `ping`, the last of the agent, came before it was missed.
    pub(super) fn covers(&self, ping: &Observation) -> bool {
        ping.id <= self.last_id
    }

    /// Whether the table lacks the return that `ping`, the last of the agent, is. The ping may have been
    /// committed before the loss was.
    pub(super) fn lacks_return(&self, ping: &Observation) -> bool {
        let away = ping.recorded_at.duration_since(self.recorded_at);
        !self.answered && !self.covers(ping) && away <= RETURN_WITHIN
    }
}
