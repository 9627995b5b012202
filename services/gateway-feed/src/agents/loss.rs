//! [`Loss`]: one `ping.lost` of an agent. It tells whether the agent's return must still be reported.

use jiff::{SignedDuration, Timestamp};
use oasis_core::Ts;
use oasis_store::ENDED_AGENTS_STAY;

use super::observation::Observation;

/// How long after a loss the agent's return is still reported. An agent that comes back later has been
/// forgotten, and counts as new.
const RETURN_WITHIN: SignedDuration = SignedDuration::from_secs(ENDED_AGENTS_STAY.as_secs() as i64);

/// The report of a gateway that an agent is lost.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) id: i64,
    /// The last ping of the agent that the gateway had read.
    last_id: i64,
    /// When that ping was recorded.
    pub(super) last_seen: Timestamp,
    recorded_at: Timestamp,
    pub(super) ts: Ts,
    /// Whether the agent's return has been reported.
    pub(super) answered: bool,
}

impl Loss {
    /// The loss that `observation` reports. If it names no last ping, it covers all pings before it.
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

    /// Whether the loss covers `ping`, the agent's last one: the agent has not pinged since.
    pub(super) fn covers(&self, ping: &Observation) -> bool {
        ping.id <= self.last_id
    }

    /// Whether `ping`, the agent's last one, is a return that has not been reported. The ping may have been
    /// committed before the loss.
    pub(super) fn lacks_return(&self, ping: &Observation) -> bool {
        let away = ping.recorded_at.duration_since(self.recorded_at);
        !self.answered && !self.covers(ping) && away <= RETURN_WITHIN
    }
}
