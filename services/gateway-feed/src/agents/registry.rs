//! Which agents there are and how each of them is: a function of what the table says, read in id order, and of a clock
//! that is given. No event is made up here that every other gateway would not make up as well, with the same key.
//!
//! An agent is known by its last ping, and by its last losses and which of them a `ping.back` has answered. It is lost when the table
//! says so of its last ping; the clock only says whom to tell the table of.

use std::collections::HashMap;
use std::time::Duration;

use oasis_core::Ts;
use oasis_store::ENDED_AGENTS_STAY;

pub(crate) use super::agent::{Agent, State};
use super::heard::{Heard, Said};
use super::probe::BELIEVED;
use super::telling::Telling;

/// What is read before the table's own account of all agents is there.
const MOST_EARLY: usize = 50_000;
/// How long nobody is looked for to be forgotten, after nobody was found.
const FULL: Duration = Duration::from_secs(1);

/// All agents.
#[derive(Debug)]
pub(crate) struct Registry {
    agents: HashMap<String, Agent>,
    most: usize,
    /// What was read while the table's own account was awaited; `None` once that is there.
    early: Option<Vec<(Heard, Duration)>>,
    /// Counts the times the tail began.
    epoch: u64,
    /// The table can't be read now: nobody is counted as late.
    away: bool,
    /// Until then the table is taken to answer. Later nobody is late, nor missed.
    pub(crate) believed_until: Duration,
    /// Nobody can be forgotten until then.
    full_until: Duration,
    /// Events of new instances for which there was no room.
    pub(crate) turned_away: u64,
}

impl Registry {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            agents: HashMap::new(),
            most,
            early: Some(Vec::new()),
            epoch: 0,
            away: true,
            believed_until: Duration::MAX,
            full_until: Duration::ZERO,
            turned_away: 0,
        }
    }

    /// The tail begins, perhaps at another table: nothing is known until [`Registry::seed`].
    pub(crate) fn start(&mut self) {
        self.agents.clear();
        self.early = Some(Vec::new());
        self.epoch += 1;
    }

    /// What a [`Registry::seed`] must name, if one is wanted and can be had.
    pub(crate) fn wants_seed(&self) -> Option<u64> {
        (!self.is_known() && !self.away).then_some(self.epoch)
    }

    /// Whether the table's account is there.
    pub(crate) fn is_known(&self) -> bool {
        self.early.is_none()
    }

    /// Takes in the table's own account, in id order and with ages by the database's clock, and then what was read since it
    /// was asked for. The count begins now. It must be asked for again when the tail began anew meanwhile, or read too much.
    pub(crate) fn seed(
        &mut self,
        epoch: u64,
        heard: impl IntoIterator<Item = (Heard, Duration)>,
        now: Duration,
    ) {
        let Some(early) = self.early.take_if(|_| epoch == self.epoch) else { return };
        if early.len() >= MOST_EARLY {
            self.early = Some(Vec::new());
            return;
        }
        // An agent is known by its ping, and the last one may have come after what else is said of it.
        let (pings, others): (Vec<_>, Vec<_>) =
            heard.into_iter().partition(|(heard, _)| heard.said == Said::Ping);
        for (heard, age) in pings.into_iter().chain(others) {
            self.take(heard, now, millis(now) - millis(age));
        }
        for (heard, at) in early {
            self.take(heard, at, millis(at));
        }
    }

    /// Takes in what the tail has read.
    pub(crate) fn hear(&mut self, heard: Heard, now: Duration) {
        match &mut self.early {
            Some(early) if early.len() < MOST_EARLY => early.push((heard, now)),
            Some(_) => {}
            None => self.take(heard, now, millis(now)),
        }
    }

    fn take(&mut self, heard: Heard, now: Duration, said_at: i64) {
        if let Some(agent) = self.agents.get_mut(&heard.who.instance) {
            return agent.hear(heard, now, said_at);
        }
        if heard.said != Said::Ping {
            return;
        }
        if self.agents.len() >= self.most && !self.make_room(now) {
            self.turned_away += 1;
            return;
        }
        self.agents.insert(heard.who.instance.clone(), Agent::new(heard, now, said_at));
    }

    /// Forgets those that pinged longest ago of those that promise nothing, else of others that ended, up to a tenth of
    /// all at a time.
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
    pub(crate) fn down(&mut self) {
        self.away = true;
    }

    /// The table is read again: whoever pinged meanwhile could not be heard, so the count begins anew.
    pub(crate) fn up(&mut self, now: Duration) {
        if std::mem::take(&mut self.away) {
            self.count_anew(now);
        }
    }

    /// Whether there is anybody who can be missed.
    pub(crate) fn watches(&self) -> bool {
        self.agents.values().any(|agent| !agent.has_ended())
    }

    /// The table was asked at `sent` whether it answers. When it did not, or not in time, or was not asked for longer than
    /// its last answer is believed in, nobody could ping for a while: the count begins anew at the end of that.
    pub(crate) fn probed(&mut self, sent: Duration, in_time: bool, answered: Option<Duration>) {
        let all_along = sent <= self.believed_until;
        self.believed_until = answered.map_or(Duration::ZERO, |now| now + BELIEVED);
        if let Some(now) = answered.filter(|_| !(in_time && all_along)) {
            self.count_anew(now);
        }
    }

    /// Nobody was listened to for a while.
    pub(crate) fn count_anew(&mut self, now: Duration) {
        self.agents.values_mut().for_each(|agent| agent.counted_from = now);
    }

    /// Forgets those that ended, once nothing was said of them for a day.
    pub(crate) fn forget(&mut self, now: Duration) {
        let oldest = millis(now) - millis(ENDED_AGENTS_STAY);
        self.agents.retain(|_, agent| agent.said_at >= oldest || !agent.has_ended());
    }

    /// At most `most` events that the table lacks, as every gateway would put them.
    pub(crate) fn due(&self, now: Duration, ts: Ts, most: usize) -> Vec<Telling> {
        if self.away || !self.is_known() {
            return Vec::new();
        }
        let answers = now <= self.believed_until;
        let due = self.agents.values().flat_map(|agent| agent.due(now, ts));
        due.filter(|telling| telling.back || answers).take(most).collect()
    }

    /// The table has been told: it is not told again, whatever becomes of the row.
    pub(crate) fn told(&mut self, telling: &Telling) {
        if let Some(agent) = self.agents.get_mut(&telling.instance) {
            match telling.back {
                false => agent.told = telling.about,
                true => agent
                    .losses
                    .iter_mut()
                    .filter(|lost| lost.id == telling.about)
                    .for_each(|lost| lost.answered = true),
            }
        }
    }

    /// Every agent with its state.
    pub(crate) fn all(&self, now: Duration) -> impl Iterator<Item = (&Agent, State)> {
        let now = (!self.away && now <= self.believed_until).then_some(now);
        self.agents.values().map(move |agent| (agent, agent.state(now)))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
