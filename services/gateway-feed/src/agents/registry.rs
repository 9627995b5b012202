//! Which agents there are and how each of them is: a function of what the table says, read in id order, and
//! of a clock that is given. Every gateway that has read the same computes the same notices, with the same
//! keys.
//!
//! An agent is known by its last ping, by its last losses, and by which of them a `ping.back` has answered.
//! It is lost when the table says so about its last ping; the clock only says which losses to report.

use std::collections::HashMap;
use std::time::Duration;

use oasis_core::Ts;
use oasis_store::ENDED_AGENTS_STAY;

use super::agent::Agent;
use super::notice::Notice;
use super::observation::{Observation, Report};
use super::pace::BELIEVED;
use super::state::State;

/// Observations that are kept while the table's own account of all agents is awaited.
const MOST_EARLY: usize = 50_000;
/// How long the registry counts as full after it found no agent to forget.
const FULL: Duration = Duration::from_secs(1);

/// All agents.
#[derive(Debug)]
pub(super) struct Registry {
    agents: HashMap<String, Agent>,
    most: usize,
    /// What was read while the table's own account was awaited; `None` once that is there.
    early: Option<Vec<(Observation, Duration)>>,
    /// Counts the times the tail began.
    epoch: u64,
    /// The table can't be read now: no agent counts as late.
    away: bool,
    /// Until then the table is taken to answer. Later no agent is late, nor missed.
    believed_until: Duration,
    /// Until then no agent can be forgotten.
    full_until: Duration,
    /// Events of new instances for which there was no room.
    pub(super) turned_away: u64,
}

impl Registry {
    pub(super) fn new(most: usize) -> Self {
        Self {
            agents: HashMap::new(),
            most,
            early: Some(Vec::new()),
            epoch: 0,
            away: true,
            believed_until: Duration::ZERO,
            full_until: Duration::ZERO,
            turned_away: 0,
        }
    }

    /// The tail begins, perhaps at another table: nothing is known until [`Registry::seed`].
    pub(super) fn start(&mut self) {
        self.agents.clear();
        self.early = Some(Vec::new());
        self.epoch += 1;
    }

    /// What a [`Registry::seed`] must name, if one is wanted and can be had.
    pub(super) fn wants_seed(&self) -> Option<u64> {
        (!self.is_known() && !self.away).then_some(self.epoch)
    }

    /// Whether the table's account is there.
    pub(super) fn is_known(&self) -> bool {
        self.early.is_none()
    }

    /// Takes in the table's own account, in id order and with ages by the database's clock, and then what was
    /// read since it was asked for. The count begins now. The account must be asked for again if the tail has
    /// begun again meanwhile, or has read too much.
    pub(super) fn seed(
        &mut self,
        epoch: u64,
        account: impl IntoIterator<Item = (Observation, Duration)>,
        now: Duration,
    ) {
        let Some(early) = self.early.take_if(|_| epoch == self.epoch) else { return };
        if early.len() >= MOST_EARLY {
            self.early = Some(Vec::new());
            return;
        }
        // An agent is known by its ping, and the last one may have come after the other events about it.
        let (pings, others): (Vec<_>, Vec<_>) =
            account.into_iter().partition(|(observation, _)| observation.report == Report::Ping);
        for (observation, age) in pings.into_iter().chain(others) {
            self.take(observation, now, millis(now) - millis(age));
        }
        for (observation, at) in early {
            self.take(observation, at, millis(at));
        }
    }

    /// Takes in what the tail has read.
    pub(super) fn observe(&mut self, observation: Observation, now: Duration) {
        match &mut self.early {
            Some(early) if early.len() < MOST_EARLY => early.push((observation, now)),
            Some(_) => {}
            None => self.take(observation, now, millis(now)),
        }
    }

    fn take(&mut self, observation: Observation, now: Duration, reported_at: i64) {
        if let Some(agent) = self.agents.get_mut(&observation.who.instance) {
            return agent.observe(observation, now, reported_at);
        }
        if observation.report != Report::Ping {
            return;
        }
        if self.agents.len() >= self.most && !self.make_room(now) {
            self.turned_away += 1;
            return;
        }
        self.agents.insert(observation.who.instance.clone(), Agent::new(observation, now, reported_at));
    }

    /// Forgets agents that promise no further ping, else others that have ended: those that pinged longest
    /// ago, up to a tenth of all at a time.
    fn make_room(&mut self, now: Duration) -> bool {
        if now < self.full_until {
            return false;
        }
        let ended = self.agents.iter().filter(|(_, agent)| agent.has_ended());
        let mut ended: Vec<(bool, i64, String)> =
            ended.map(|(instance, agent)| (!agent.is_quiet(), agent.ping.id, instance.clone())).collect();
        ended.sort_unstable();
        let Some((first, ..)) = ended.first() else {
            self.full_until = now + FULL;
            return false;
        };
        let sort = ended.iter().take_while(|(other, ..)| other == first);
        for (_, _, instance) in sort.take((self.most / 10).max(1)) {
            self.agents.remove(instance);
        }
        true
    }

    /// The table can't be read.
    pub(super) fn down(&mut self) {
        self.away = true;
    }

    /// The table is read again. Pings could not be read meanwhile, so the count begins again.
    pub(super) fn up(&mut self, now: Duration) {
        if std::mem::take(&mut self.away) {
            self.restart_count(now);
        }
    }

    /// Whether there is an agent that can be missed.
    pub(super) fn watches(&self) -> bool {
        self.agents.values().any(|agent| !agent.has_ended())
    }

    /// The table was asked at `sent` whether it answers. If it did not, or not in time, or was not asked for
    /// longer than its last answer is believed, no agent could ping for a while: the count begins again at
    /// the end of that.
    pub(super) fn probed(&mut self, sent: Duration, in_time: bool, answered: Option<Duration>) {
        let all_along = sent <= self.believed_until;
        self.believed_until = answered.map_or(Duration::ZERO, |now| now + BELIEVED);
        if let Some(now) = answered.filter(|_| !(in_time && all_along)) {
            self.restart_count(now);
        }
    }

    /// Pings could not be read for a while: every agent has its whole time again.
    pub(super) fn restart_count(&mut self, now: Duration) {
        self.agents.values_mut().for_each(|agent| agent.count_from(now));
    }

    /// Forgets agents that have ended, a day after the last event about them.
    pub(super) fn forget(&mut self, now: Duration) {
        let oldest = millis(now) - millis(ENDED_AGENTS_STAY);
        self.agents.retain(|_, agent| !agent.is_forgotten(oldest));
    }

    /// At most `most` notices that the table lacks; every gateway computes the same ones.
    pub(super) fn due(&self, now: Duration, ts: Ts, most: usize) -> Vec<Notice> {
        if self.away || !self.is_known() {
            return Vec::new();
        }
        let answers = now <= self.believed_until;
        let due = self.agents.values().flat_map(|agent| agent.due(now, ts));
        due.filter(|notice| answers || !notice.is_loss()).take(most).collect()
    }

    /// The table has been given `notice`, which is not due again, whatever becomes of the row.
    pub(super) fn notified(&mut self, notice: &Notice) {
        if let Some(agent) = self.agents.get_mut(&notice.instance) {
            agent.notified(notice);
        }
    }

    /// Every agent with its state.
    pub(super) fn all(&self, now: Duration) -> impl Iterator<Item = (&Agent, State)> {
        let now = (!self.away && now <= self.believed_until).then_some(now);
        self.agents.values().map(move |agent| (agent, agent.state(now)))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
