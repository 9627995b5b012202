//! Agents that are seen to live, and seen to die: what the tail reads becomes a [`registry`], and what that finds missing
//! becomes an event. `GET /api/v1/oasis/agents` shows it.
//!
//! Nobody is taken for lost on the word of a clock alone: all that the table holds must have been read first, so that a
//! process that was held up, or a tail that is behind, misses nobody who pinged. And only time in which the table answered
//! counts (see [`probe`]), so that a table that hung is no reason to miss those that could not ping.

mod agent;
mod heard;
mod list;
mod probe;
mod registry;
#[cfg(test)]
mod registry_tests;
#[cfg(test)]
mod seed_tests;
mod telling;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join_all};
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_store::{AppendError, Appended, Appender, MOST_AGENTS, Store, StoreError, Update};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

pub(crate) use heard::is_repeat;

use crate::agents::heard::{Heard, Said};
use crate::agents::registry::{Registry, State};
use crate::agents::telling::Telling;

/// How often it is looked who is late.
const TICK: Duration = Duration::from_millis(500);
/// A tick so much late means that this process was held up, and heard nobody meanwhile.
const HELD_UP: Duration = Duration::from_secs(2);
/// How long the tail has to read what the table holds before somebody is called lost.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// Events that are told at the same time.
const AT_ONCE: usize = 256;
/// The pause after a failure, doubled with each up to a minute.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long it is believed that this role may not append: it may be the database that takes no writes for a while.
const NO_RIGHT: Duration = Duration::from_secs(60);

/// The agents, shared by the tail, the clock and whoever asks.
pub(crate) struct Agents {
    registry: Mutex<Registry>,
    /// Zero of the clock: the monotonic time of this process.
    zero: Instant,
    /// The last id that the tail has read.
    read: watch::Sender<i64>,
}

impl Agents {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::new(MOST_AGENTS);
        // Nobody has asked yet.
        registry.believed_until = Duration::ZERO;
        Self { registry: Mutex::new(registry), zero: Instant::now(), read: watch::Sender::new(0) }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.zero.elapsed()
    }

    /// What the tail calls with each update.
    pub(crate) fn update(&self, update: &Update) {
        let now = self.now();
        let mut registry = self.registry();
        match update {
            Update::Start { head, .. } => {
                registry.start();
                self.read.send_replace(*head);
            }
            Update::Events(events) => {
                for heard in events.iter().filter_map(Heard::read) {
                    if matches!(heard.said, Said::Lost { .. }) {
                        metrics::counter!("feed_agents_lost_total").increment(1);
                    }
                    registry.hear(heard, now);
                }
                self.read.send_replace(events.last().map_or(0, |event| event.id));
            }
            Update::Pruned(_) => {}
            Update::Up { .. } => registry.up(now),
            Update::Down(_) => registry.down(),
        }
    }

    /// Watches until it is dropped: asks the table who there is, counts, and tells the table who is missing and who is
    /// back.
    pub(crate) async fn watch(&self, store: Store, appender: Appender) {
        join(self.probe(&store), self.count(store.clone(), appender)).await;
    }

    async fn count(&self, store: Store, appender: Appender) {
        let mut teller = Teller::new(store, appender);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut full = Hourly::default();
        loop {
            let before = self.now();
            tick.tick().await;
            let turned_away = self.tick(before);
            metrics::counter!("feed_agents_turned_away_total").increment(turned_away);
            if turned_away > 0 && full.may_say(self.now()) {
                tracing::warn!(
                    pings = turned_away,
                    most = MOST_AGENTS,
                    "there is no room for more agents: those that sent these are not watched (feed_agents_turned_away_total)"
                );
            }
            teller.round(self).await;
        }
    }

    /// Looks who ended, and says how often one found no room.
    fn tick(&self, before: Duration) -> u64 {
        let now = self.now();
        let mut registry = self.registry();
        if now.saturating_sub(before) > TICK + HELD_UP {
            registry.count_anew(now);
        }
        registry.forget(now);
        measure(&registry, now);
        std::mem::take(&mut registry.turned_away)
    }

    /// Whether the tail has read everything up to `id`, or has in time.
    async fn has_read(&self, id: i64) -> bool {
        let mut read = self.read.subscribe();
        timeout(READ_WITHIN, read.wait_for(|read| *read >= id)).await.is_ok()
    }
}

fn measure(registry: &Registry, now: Duration) {
    let mut counts = State::ALL.map(|state| (state, 0_u32));
    for (_, state) in registry.all(now) {
        counts.iter_mut().filter(|(counted, _)| *counted == state).for_each(|(_, count)| *count += 1);
    }
    for (state, count) in counts {
        metrics::gauge!("feed_agents", "state" => state.as_str()).set(f64::from(count));
    }
}

/// What is worth a line in the log once an hour.
#[derive(Debug, Default)]
struct Hourly(Option<Duration>);

impl Hourly {
    fn may_say(&mut self, now: Duration) -> bool {
        let may = self.0.is_none_or(|said| now >= said + Duration::from_secs(3_600));
        if may {
            self.0 = Some(now);
        }
        may
    }
}

/// Talks with the table, not more often after failures than there is use in it, and logs the first failure of a row.
struct Teller {
    store: Store,
    appender: Appender,
    pause: Duration,
    not_before: Option<Instant>,
    /// Whether it was said in the log that this role can't append.
    without_right: bool,
}

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the tail is behind the table")]
    Behind,
}

impl Teller {
    fn new(store: Store, appender: Appender) -> Self {
        Self { store, appender, pause: Duration::ZERO, not_before: None, without_right: false }
    }

    async fn round(&mut self, agents: &Agents) {
        if self.not_before.is_some_and(|then| Instant::now() < then) {
            return;
        }
        match self.try_round(agents).await {
            Ok(()) => {
                if !self.pause.is_zero() {
                    tracing::info!("agents are watched again");
                }
                self.pause = Duration::ZERO;
            }
            Err(error) => {
                if self.pause.is_zero() {
                    tracing::warn!(%error, "agents can't be watched now; trying again");
                }
                self.pause = (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
                self.not_before = Some(Instant::now() + self.pause);
            }
        }
    }

    async fn try_round(&mut self, agents: &Agents) -> Result<(), Failed> {
        self.learn(agents).await?;
        let due = |most| agents.registry().due(agents.now(), Ts::clamped(Timestamp::now()), most);
        if due(1).is_empty() || !self.may_tell(agents).await? {
            return Ok(());
        }
        // Whoever pinged before this moment is in the table by now.
        if !agents.has_read(self.store.head().await?).await {
            return Err(Failed::Behind);
        }
        let due = due(AT_ONCE);
        let mut failed = None;
        for (telling, told) in due.iter().zip(join_all(due.iter().map(|telling| self.tell(telling))).await) {
            match told {
                Ok(_) => agents.registry().told(telling),
                Err(error) => {
                    // Where this could not be written, no ping could.
                    if !matches!(error, AppendError::Refused(_) | AppendError::Overloaded) {
                        agents.registry().count_anew(agents.now());
                    }
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// A row that is there already was told by another gateway.
    async fn tell(&self, telling: &Telling) -> Result<Vec<Appended>, AppendError> {
        self.appender.append(telling.event.iter().cloned().collect(), Instant::now()).await
    }

    /// Asks the table who there is, when it is not known.
    async fn learn(&mut self, agents: &Agents) -> Result<(), Failed> {
        let Some(epoch) = agents.registry().wants_seed() else { return Ok(()) };
        let said = self.store.agents().await?;
        let heard = said.iter().filter_map(|said| Some((Heard::read(&said.event)?, said.age)));
        agents.registry().seed(epoch, heard, agents.now());
        Ok(())
    }

    /// Whether this role may append; said once in the log when it may not.
    async fn may_tell(&mut self, agents: &Agents) -> Result<bool, Failed> {
        let may = self.store.may_append().await?;
        if !may {
            if !self.without_right {
                tracing::warn!(
                    "agents are missing, and this gateway can't tell: its role may not append to oasis_events \
                     (INSERT and, under row level security, a policy), or the database takes no writes"
                );
            }
            self.not_before = Some(Instant::now() + NO_RIGHT);
        } else if self.without_right {
            // It may have been the database that took no writes.
            agents.registry().count_anew(agents.now());
        }
        self.without_right = !may;
        Ok(may)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_an_hour() {
        let mut hourly = Hourly::default();
        let said = [0, 1, 3_599, 3_600, 3_601, 7_300].map(|at| hourly.may_say(Duration::from_secs(at)));
        assert_eq!(said, [true, false, false, true, false, true]);
    }
}
