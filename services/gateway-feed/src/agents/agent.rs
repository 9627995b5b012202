//! One run of one agent: the last that was said by it and of it, and what follows from that.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oasis_core::Ts;
use oasis_store::{ENDED_AGENTS_STAY, LOSSES_OF_AGENT};

use super::heard::{Heard, Said};
use super::telling::Telling;

/// How long a loss is known, and its return told.
const STAY: SignedDuration = SignedDuration::from_secs(ENDED_AGENTS_STAY.as_secs() as i64);

/// How an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// At a task.
    Working,
    /// Without one.
    Idle,
    /// Not heard of for 1.5 of its intervals.
    Late,
    /// The table says that it is not heard of any more.
    Lost,
    /// It said goodbye.
    Stopped,
}

impl State {
    pub(crate) const ALL: [Self; 5] = [Self::Working, Self::Idle, Self::Late, Self::Lost, Self::Stopped];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Idle => "idle",
            Self::Late => "late",
            Self::Lost => "lost",
            Self::Stopped => "stopped",
        }
    }
}

/// That somebody missed an agent.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) id: i64,
    /// The last ping that was heard of it.
    last_id: i64,
    /// When that was recorded.
    pub(super) last_seen: Timestamp,
    recorded_at: Timestamp,
    ts: Ts,
    /// Whether the table has its return.
    pub(super) answered: bool,
}

/// The last that is known of one run of an agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) ping: Arc<Heard>,
    /// The `ts` of the ping with which it took its task and state.
    since: Ts,
    /// The last of its losses, in id order.
    pub(super) losses: Vec<Loss>,
    /// When counting began for its next ping.
    pub(super) counted_from: Duration,
    /// When something was last said of it: for how long it is kept once it has ended. May be before the clock's zero.
    pub(super) said_at: i64,
    /// The ping after which this gateway told it to be lost.
    pub(super) told: i64,
}

impl Agent {
    pub(super) fn new(ping: Heard, now: Duration, said_at: i64) -> Self {
        let since = ping.ts;
        let ping = Arc::new(ping);
        Self { ping, since, losses: Vec::new(), counted_from: now, said_at, told: 0 }
    }

    pub(super) fn hear(&mut self, heard: Heard, now: Duration, said_at: i64) {
        match heard.said {
            Said::Ping if heard.id > self.ping.id => {
                let same = (heard.status, &heard.task) == (self.ping.status, &self.ping.task);
                if !same {
                    self.since = heard.ts;
                }
                self.ping = Arc::new(heard);
                self.counted_from = now;
            }
            Said::Lost { last_id, last_seen } if self.losses.last().is_none_or(|last| last.id < heard.id) => {
                if self.losses.len() == LOSSES_OF_AGENT {
                    self.losses.remove(0);
                }
                self.losses.push(Loss {
                    id: heard.id,
                    last_id: last_id.unwrap_or(heard.id),
                    last_seen,
                    recorded_at: heard.recorded_at,
                    ts: heard.ts,
                    answered: false,
                });
            }
            Said::Back { lost_id } => self
                .losses
                .iter_mut()
                .filter(|lost| lost_id.map_or(lost.id < heard.id, |id| lost.id == id))
                .for_each(|lost| lost.answered = true),
            // What is known already.
            Said::Ping | Said::Lost { .. } => return,
        }
        self.said_at = self.said_at.max(said_at);
    }

    /// Whether its return from a loss is to be told: it has pinged since what that was told for, which may have been
    /// committed before the loss was. One that returns when it has been forgotten is a new one.
    fn owes_return_from(&self, lost: &Loss) -> bool {
        let away = self.ping.recorded_at.duration_since(lost.recorded_at);
        !lost.answered && self.ping.id > lost.last_id && away <= STAY
    }

    /// The loss that it is not back from.
    fn lost(&self) -> Option<&Loss> {
        self.losses.iter().rfind(|lost| !self.ping.stopped() && self.ping.id <= lost.last_id)
    }

    /// Whether it has said all that it is expected to. Who promises nothing always has.
    pub(super) fn has_ended(&self) -> bool {
        self.ping.interval.is_none() || self.ping.stopped() || self.lost().is_some()
    }

    /// Whether it promises nothing, and is not known to have ended in any other way.
    pub(super) fn is_quiet(&self) -> bool {
        self.ping.interval.is_none() && !self.ping.stopped() && self.lost().is_none()
    }

    fn unheard(&self, now: Duration) -> Duration {
        now.saturating_sub(self.counted_from)
    }

    pub(super) fn state(&self, now: Option<Duration>) -> State {
        if self.ping.stopped() {
            return State::Stopped;
        }
        if self.lost().is_some() {
            return State::Lost;
        }
        let late =
            now.zip(self.ping.interval).is_some_and(|(now, each)| self.unheard(now) >= each.mul_f64(1.5));
        match (late, self.ping.works()) {
            (true, _) => State::Late,
            (false, true) => State::Working,
            (false, false) => State::Idle,
        }
    }

    /// Since when it is in its state, at its task.
    pub(crate) fn since(&self) -> Ts {
        self.lost().map_or(self.since, |lost| lost.ts)
    }

    /// What the table is to be told of it now.
    pub(super) fn due(&self, now: Duration, ts: Ts) -> impl Iterator<Item = Telling> {
        let missed = self.ping.interval.is_some_and(|each| self.unheard(now) >= each.mul_f64(2.5));
        let lost = missed && !self.has_ended() && self.told != self.ping.id;
        let back = self.losses.iter().filter(|lost| self.owes_return_from(lost));
        lost.then(|| Telling::lost(&self.ping, ts))
            .into_iter()
            .chain(back.map(move |lost| Telling::back(&self.ping, lost, ts)))
    }
}
