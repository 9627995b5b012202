//! One run of one agent: its last ping, its last losses, and what follows from them.

use std::sync::Arc;
use std::time::Duration;

use oasis_core::Ts;
use oasis_store::LOSSES_OF_AGENT;

use super::loss::Loss;
use super::notice::{Change, Notice};
use super::observation::{Observation, Report};
use super::state::State;

/// Intervals without a ping after which an agent is late.
const LATE_AFTER: f64 = 1.5;
/// Intervals without a ping after which a gateway reports an agent as lost.
const MISSED_AFTER: f64 = 2.5;

/// The last that is known of one run of an agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) ping: Arc<Observation>,
    /// The `ts` of the ping with which it took its task and state.
    since: Ts,
    /// The last of its losses, in id order.
    losses: Vec<Loss>,
    /// When counting began for its next ping.
    counted_from: Duration,
    /// When the last event of it was recorded, in milliseconds of the clock; below zero for one from before
    /// its start. An agent that has ended is kept for a while after that.
    reported_at: i64,
    /// The ping after which this gateway reported it as lost.
    missed_after: i64,
}

impl Agent {
    pub(super) fn new(ping: Observation, now: Duration, reported_at: i64) -> Self {
        let since = ping.ts;
        let ping = Arc::new(ping);
        Self { ping, since, losses: Vec::new(), counted_from: now, reported_at, missed_after: 0 }
    }

    pub(super) fn observe(&mut self, observation: Observation, now: Duration, reported_at: i64) {
        match observation.report {
            Report::Ping if observation.id > self.ping.id => {
                let same = (observation.status, &observation.task) == (self.ping.status, &self.ping.task);
                if !same {
                    self.since = observation.ts;
                }
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
            // What is known already.
            Report::Ping | Report::Lost { .. } => return,
        }
        self.reported_at = self.reported_at.max(reported_at);
    }

    /// Takes note that the table has `notice`.
    pub(super) fn notified(&mut self, notice: &Notice) {
        match notice.change {
            Change::Lost { last_id } => self.missed_after = last_id,
            Change::Back { lost_id } => {
                self.losses.iter_mut().filter(|lost| lost.id == lost_id).for_each(|lost| lost.answered = true)
            }
        }
    }

    /// Begins to count for its next ping once more.
    pub(super) fn count_from(&mut self, now: Duration) {
        self.counted_from = now;
    }

    /// The loss that it is not back from.
    fn loss(&self) -> Option<&Loss> {
        self.losses.iter().rfind(|lost| !self.ping.stopped() && lost.covers(&self.ping))
    }

    /// Whether no further ping is expected of it. That is always so for one that promises none.
    pub(super) fn has_ended(&self) -> bool {
        self.ping.interval.is_none() || self.ping.stopped() || self.loss().is_some()
    }

    /// Whether it promises no further ping, and is not known to have ended in any other way.
    pub(super) fn is_quiet(&self) -> bool {
        self.ping.interval.is_none() && !self.ping.stopped() && self.loss().is_none()
    }

    /// Whether it has ended, and no event of it was recorded since `oldest`.
    pub(super) fn is_forgotten(&self, oldest: i64) -> bool {
        self.reported_at < oldest && self.has_ended()
    }

    /// Whether so many of its intervals have passed without a ping.
    fn is_silent_for(&self, intervals: f64, now: Duration) -> bool {
        let silent = now.saturating_sub(self.counted_from);
        self.ping.interval.is_some_and(|interval| silent >= interval.mul_f64(intervals))
    }

    /// How it is; while `now` is unknown, it is not late.
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

    /// Since when it is in its state, at its task.
    pub(super) fn since(&self) -> Ts {
        self.loss().map_or(self.since, |lost| lost.ts)
    }

    /// What the table lacks of it now.
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
