//! Keeps all agents, and computes their states. The states depend only on the rows of the table, which are
//! read in id order, and on the time that the caller passes. So all gateways that have read the same rows
//! compute the same notices, with the same keys.
//!
//! For each agent, the registry keeps the last ping and the last losses. For each loss, the registry also
//! keeps whether a `ping.back` has reported the return. An agent is lost only if the table has a
//! `ping.lost` that covers the agent's last ping. The clock only decides which agents are late, and which
//! losses are due to be reported.

use std::collections::HashMap;
use std::time::Duration;

use oasis_core::Ts;
use oasis_store::ENDED_AGENTS_STAY;

use super::agent::{Agent, Turn};
use super::notice::Notice;
use super::observation::{Observation, Report};
use super::pace::BELIEVED;
use super::state::State;

/// The maximum number of observations that are kept until [`Registry::seed`] is called.
const MOST_PENDING: usize = 50_000;
/// How long the registry counts as full after it found no agents to forget, or only few.
const FULL: Duration = Duration::from_secs(1);
/// For how many tokens the registry remembers that it is full.
const MOST_FULL: usize = 1_000;

/// All agents.
#[derive(Debug)]
pub(super) struct Registry {
    agents: HashMap<String, Agent>,
    most: usize,
    /// The observations that the tail has read before the seed was added (see [`Registry::seed`]). `None`
    /// once the seed has been added.
    pending: Option<Vec<(Observation, Duration)>>,
    /// How many times the tail has started.
    epoch: u64,
    /// Whether the table cannot be read now. While the table cannot be read, no agent counts as late.
    away: bool,
    /// Until this time, the table is believed to answer. After this time, no agent is late or missed.
    believed_until: Duration,
    /// Until when the registry counts as full for new agents of a token. The keys are the names of tokens.
    full_until: HashMap<String, Duration>,
    /// How many pings of new instances were ignored because the registry was full.
    pub(super) turned_away: u64,
}

impl Registry {
    pub(super) fn new(most: usize) -> Self {
        Self {
            agents: HashMap::new(),
            most,
            pending: Some(Vec::new()),
            epoch: 0,
            away: true,
            believed_until: Duration::ZERO,
            full_until: HashMap::new(),
            turned_away: 0,
        }
    }

    /// Forgets everything when the tail starts, because the tail may now read a different table. No agent
    /// is known until [`Registry::seed`] has been called.
    pub(super) fn start(&mut self) {
        self.agents.clear();
        self.pending = Some(Vec::new());
        self.epoch += 1;
    }

    /// The epoch to pass to [`Registry::seed`]. `None` if no seed is needed, or if the table cannot be
    /// read.
    pub(super) fn wants_seed(&self) -> Option<u64> {
        (!self.is_known() && !self.away).then_some(self.epoch)
    }

    /// Whether the agents are known, because the seed has been added.
    pub(super) fn is_known(&self) -> bool {
        self.pending.is_none()
    }

    /// Adds the observations of the seed, and then all observations since the tail started. The seed
    /// contains the last observations of each agent from the table, in id order, each with its age by the
    /// database's clock. The silence of these agents is counted from `now`. If the tail has restarted since
    /// `epoch`, or if too many observations wait for the seed, the seed is ignored and must be read again.
    pub(super) fn seed(
        &mut self,
        epoch: u64,
        seed: impl IntoIterator<Item = (Observation, Duration)>,
        now: Duration,
    ) {
        let Some(pending) = self.pending.take_if(|_| epoch == self.epoch) else { return };
        if pending.len() >= MOST_PENDING {
            self.pending = Some(Vec::new());
            return;
        }
        // Only a ping makes an agent known. In the seed, other events about an agent may come before the
        // agent's pings. So the pings are added first.
        let (pings, others): (Vec<_>, Vec<_>) =
            seed.into_iter().partition(|(observation, _)| observation.report == Report::Ping);
        for (observation, age) in pings.into_iter().chain(others) {
            self.take(observation, now, millis(now) - millis(age));
        }
        for (observation, at) in pending {
            self.take(observation, at, millis(at));
        }
    }

    /// Adds an observation that the tail has read.
    pub(super) fn observe(&mut self, observation: Observation, now: Duration) {
        match &mut self.pending {
            Some(pending) if pending.len() < MOST_PENDING => pending.push((observation, now)),
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
        let agent = Agent::new(observation, now, reported_at);
        if self.agents.len() >= self.most && !self.make_room_for(&agent, now) {
            self.turned_away += 1;
            return;
        }
        self.agents.insert(agent.ping.who.instance.clone(), agent);
    }

    /// Forgets some agents of the token that has the most, so that there is room for the agent `new`, which
    /// counts as an agent of its token. So no token takes more than its share from the others. Of the agents
    /// of that token, those with the first [`Turn`] go, and of these, the ones that pinged longest ago, up to
    /// a tenth of `most` at a time. Returns whether there is room now. `Store::agents` chooses in the same
    /// order, so a gateway that starts keeps the same agents.
    fn make_room_for(&mut self, new: &Agent, now: Duration) -> bool {
        let via = new.ping.via.as_str();
        if self.full_until.get(via).is_some_and(|until| now < *until) {
            return false;
        }
        let mut numbers = HashMap::from([(via, 1)]);
        for agent in self.agents.values() {
            *numbers.entry(&agent.ping.via).or_default() += 1;
        }
        let own = numbers[via];
        // If several tokens have the most, and one of them is the token of the new agent, it gives way.
        let largest = numbers.into_iter().max_by_key(|(name, number)| (*number, *name == via, *name));
        let (largest, number) = largest.unwrap_or((via, own));
        let of_largest = || self.agents.iter().filter(|(_, agent)| agent.ping.via == largest);
        // A new agent replaces no regular agent of its own token, and none that goes after the new agent.
        let last_turn = if largest == via { new.turn().min(Turn::PingedOnce) } else { Turn::Regular };
        let first_turn = of_largest().map(|(_, agent)| agent.turn()).min();
        let Some(turn) = first_turn.filter(|turn| *turn <= last_turn) else {
            self.pause(via, now);
            return false;
        };
        let in_turn = of_largest().filter(|(_, agent)| agent.turn() == turn);
        let mut found: Vec<(i64, String)> =
            in_turn.map(|(instance, agent)| (agent.ping.id, instance.clone())).collect();
        found.sort_unstable();
        let tenth = (self.most / 10).max(1);
        let most = if largest == via { tenth } else { ((number - own) / 2).clamp(1, tenth) };
        found.truncate(most);
        for (_, instance) in &found {
            self.agents.remove(instance);
        }
        // The search reads all agents. A client whose pings each free a single place would slow down the
        // tail.
        if found.len() < self.most / 100 {
            self.pause(via, now);
        }
        true
    }

    /// Lets new agents of the token `via` wait until other agents may be forgotten for them.
    fn pause(&mut self, via: &str, now: Duration) {
        if self.full_until.len() >= MOST_FULL {
            self.full_until.clear();
        }
        self.full_until.insert(via.to_owned(), now + FULL);
    }

    /// Whether pings of new agents of a token are ignored, because there are too many agents.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.agents.len() >= self.most && self.full_until.values().any(|until| now < *until)
    }

    /// Records that the table cannot be read.
    pub(super) fn down(&mut self) {
        self.away = true;
    }

    /// Records that the table can be read. If the table could not be read before, no ping could be read
    /// either. So the silence of every agent is counted from `now`.
    pub(super) fn up(&mut self, now: Duration) {
        if std::mem::take(&mut self.away) {
            self.restart_count(now);
        }
    }

    /// Whether a further ping of at least one agent is expected.
    pub(super) fn watches(&self) -> bool {
        self.agents.values().any(|agent| !agent.has_ended())
    }

    /// Handles the result of a probe: when the probe was sent, whether a good answer came in time, and when
    /// the table answered (`None` if the table did not answer). If no good answer came in time, or if the
    /// previous answer was no longer believed at `sent`, agents may have been unable to ping. In that case,
    /// the silence of every agent is counted from this answer on.
    pub(super) fn probed(&mut self, sent: Duration, in_time: bool, answered: Option<Duration>) {
        let all_along = sent <= self.believed_until;
        self.believed_until = answered.map_or(Duration::ZERO, |now| now + BELIEVED);
        if let Some(now) = answered.filter(|_| !(in_time && all_along)) {
            self.restart_count(now);
        }
    }

    /// Counts the silence of every agent from `now`, because pings could not be sent or read for a while.
    pub(super) fn restart_count(&mut self, now: Duration) {
        self.agents.values_mut().for_each(|agent| agent.count_from(now));
    }

    /// Forgets every agent that has ended and about which no event has been recorded for a day.
    pub(super) fn forget(&mut self, now: Duration) {
        let oldest = millis(now) - millis(ENDED_AGENTS_STAY);
        self.agents.retain(|_, agent| !agent.is_forgotten(oldest));
    }

    /// The notices that must be appended now, at most `most`. Gateways that have read the same rows compute
    /// the same notices.
    pub(super) fn due(&self, now: Duration, ts: Ts, most: usize) -> Vec<Notice> {
        if self.away || !self.is_known() {
            return Vec::new();
        }
        let answers = now <= self.believed_until;
        let due = self.agents.values().flat_map(|agent| agent.due(now, ts));
        due.filter(|notice| answers || !notice.is_loss()).take(most).collect()
    }

    /// Records that `notice` has been appended. The notice is not due again, even if its row disappears
    /// from the table.
    pub(super) fn notified(&mut self, notice: &Notice) {
        if let Some(agent) = self.agents.get_mut(&notice.instance) {
            agent.notified(notice);
        }
    }

    /// The last ping of an instance.
    pub(super) fn last_ping(&self, instance: &str) -> Option<&Observation> {
        self.agents.get(instance).map(|agent| &*agent.ping)
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
