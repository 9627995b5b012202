//! Keeps the last ping and the last losses of one run of an agent. Computes the agent's state and the
//! notices that are due.

use std::sync::Arc;
use std::time::Duration;

use oasis_core::Ts;
use oasis_store::LOSSES_OF_AGENT;

use super::loss::Loss;
use super::notice::{Change, Notice};
use super::observation::{Observation, Report};
use super::state::State;

/// An agent is late after this many of its intervals without a ping.
const LATE_AFTER: f64 = 1.5;
/// A gateway reports an agent as lost after this many of its intervals without a ping.
const MISSED_AFTER: f64 = 2.5;

/// In which order the agents of a token are forgotten if there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// The agent promises no next ping.
    PromisesNone,
    /// The agent stopped or is lost.
    Ended,
    /// The agent has pinged only once.
    PingedOnce,
    /// The agent pings regularly.
    Regular,
}

/// One run of an agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) ping: Arc<Observation>,
    /// Whether the agent has pinged more than once.
    is_regular: bool,
    /// The `ts` of the first ping with the agent's current task and status.
    since: Ts,
    /// The agent's latest losses, in id order.
    losses: Vec<Loss>,
    /// The time from which the agent's silence is measured.
    counted_from: Duration,
    /// When the last event about the agent was recorded, in milliseconds of the registry's clock. The
    /// number is negative if the event was recorded before this clock started. The registry forgets an
    /// ended agent a day after this time.
    reported_at: i64,
    /// The id of the agent's last ping at the time when this gateway last reported the agent as lost. 0 if
    /// this gateway has never reported the agent as lost.
    missed_after: i64,
}

impl Agent {
    pub(super) fn new(ping: Observation, now: Duration, reported_at: i64) -> Self {
        let (since, is_regular) = (ping.ts, ping.is_repeat);
        let ping = Arc::new(ping);
        Self { ping, is_regular, since, losses: Vec::new(), counted_from: now, reported_at, missed_after: 0 }
    }

    pub(super) fn observe(&mut self, observation: Observation, now: Duration, reported_at: i64) {
        match observation.report {
            Report::Ping if observation.id > self.ping.id => {
                let same = (observation.status, &observation.task) == (self.ping.status, &self.ping.task);
                if !same {
                    self.since = observation.ts;
                }
                self.is_regular = true;
                self.ping = Arc::new(observation);
                self.counted_from = now;
            }
            Report::Lost { last_id, last_seen }
                if self.losses.last().is_none_or(|last| last.id < observation.id) =>
            {
                if self.losses.len() == LOSSES_OF_AGENT {
                    self.losses.remove(0);
                }
                self.losses.push(Loss::new(&observation, last_id, last_seen));
            }
            Report::Back { lost_id } => self
                .losses
                .iter_mut()
                .filter(|lost| lost_id.map_or(lost.id < observation.id, |id| lost.id == id))
                .for_each(|lost| lost.answered = true),
            // This event, or a later event of the same kind, has been observed before.
            Report::Ping | Report::Lost { .. } => return,
        }
        self.reported_at = self.reported_at.max(reported_at);
    }

    /// Records that `notice` has been appended.
    pub(super) fn notified(&mut self, notice: &Notice) {
        match notice.change {
            Change::Lost { last_id } => self.missed_after = last_id,
            Change::Back { lost_id } => {
                self.losses.iter_mut().filter(|lost| lost.id == lost_id).for_each(|lost| lost.answered = true)
            }
        }
    }

    /// Measures the agent's silence from `now` on.
    pub(super) fn count_from(&mut self, now: Duration) {
        self.counted_from = now;
    }

    /// The latest loss that covers the agent's last ping (see [`Loss::covers`]). `None` if no loss covers
    /// the ping, or if the agent has stopped.
    fn loss(&self) -> Option<&Loss> {
        self.losses.iter().rfind(|lost| !self.ping.stopped() && lost.covers(&self.ping))
    }

    /// Whether no further ping is expected, because the agent has no interval, has stopped, or is lost.
    pub(super) fn has_ended(&self) -> bool {
        self.ping.interval.is_none() || self.ping.stopped() || self.loss().is_some()
    }

    /// When the agent is forgotten if there are too many.
    pub(super) fn turn(&self) -> Turn {
        if self.ping.stopped() || self.loss().is_some() {
            Turn::Ended
        } else if self.ping.interval.is_none() {
            Turn::PromisesNone
        } else if self.is_regular {
            Turn::Regular
        } else {
            Turn::PingedOnce
        }
    }

    /// Whether the agent has ended, and no event about it has been recorded since `oldest`.
    pub(super) fn is_forgotten(&self, oldest: i64) -> bool {
        self.reported_at < oldest && self.has_ended()
    }

    /// Whether this many of the agent's intervals have passed without a ping.
    fn is_silent_for(&self, intervals: f64, now: Duration) -> bool {
        let silent = now.saturating_sub(self.counted_from);
        self.ping.interval.is_some_and(|interval| silent >= interval.mul_f64(intervals))
    }

    /// The state of the agent. The caller passes `None` for `now` while it is uncertain whether the table
    /// answers. In that case, the agent is never late.
    pub(super) fn state(&self, now: Option<Duration>) -> State {
        if self.ping.stopped() {
            State::Stopped
        } else if self.loss().is_some() {
            State::Lost
        } else if now.is_some_and(|now| self.is_silent_for(LATE_AFTER, now)) {
            State::Late
        } else if self.ping.works() {
            State::Working
        } else {
            State::Idle
        }
    }

    /// The `ts` of the agent's loss if the agent is lost. Otherwise, the `ts` of the first ping with the
    /// agent's current task and status.
    pub(super) fn since(&self) -> Ts {
        self.loss().map_or(self.since, |lost| lost.ts)
    }

    /// The notices about the agent that must be appended at `now`.
    pub(super) fn due(&self, now: Duration, ts: Ts) -> impl Iterator<Item = Notice> {
        let missed =
            self.is_silent_for(MISSED_AFTER, now) && !self.has_ended() && self.missed_after != self.ping.id;
        let returns = self.losses.iter().filter(|lost| lost.lacks_return(&self.ping));
        missed
            .then(|| Notice::lost(&self.ping, ts))
            .into_iter()
            .chain(returns.map(move |lost| Notice::back(&self.ping, lost, ts)))
    }
}
