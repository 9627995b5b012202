//! Watches the agents: forgets ended agents, records metrics, and appends the notices that are due.

use std::time::Duration;

use futures_util::future::join;
use oasis_store::{Appender, MOST_AGENTS, Store};
use tokio::time::{MissedTickBehavior, interval};

use super::hourly::Hourly;
use super::notifier::Notifier;
use super::registry::Registry;
use super::shared::Agents;
use super::state::State;

/// How often the registry is searched for missing agents.
const TICK: Duration = Duration::from_millis(500);
/// If a tick is late by more than this time, the process was suspended, and read no pings in the meantime.
const HELD_UP: Duration = Duration::from_secs(2);

impl Agents {
    /// Watches the agents until the future is dropped.
    pub(crate) async fn watch(&self, store: Store, appender: Appender) {
        join(self.probe(&store), self.count(store.clone(), appender)).await;
    }

    async fn count(&self, store: Store, appender: Appender) {
        let mut notifier = Notifier::new(store, appender);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut full = Hourly::default();
        loop {
            let before = self.now();
            tick.tick().await;
            let turned_away = self.tick(before);
            metrics::counter!("feed_agents_turned_away_total").increment(turned_away);
            if turned_away > 0 && full.is_due(self.now()) {
                tracing::warn!(
                    pings = turned_away,
                    most = MOST_AGENTS,
                    "there is no room for more agents, so the senders of these pings are not watched \
                     (see the metric feed_agents_turned_away_total)"
                );
            }
            notifier.notify(self).await;
        }
    }

    /// Forgets agents that have ended. Returns how many pings of new agents were ignored since the last
    /// tick, because the registry was full.
    fn tick(&self, before: Duration) -> u64 {
        let now = self.now();
        let mut registry = self.registry();
        if now.saturating_sub(before) > TICK + HELD_UP {
            registry.restart_count(now);
        }
        registry.forget(now);
        measure(&registry, now);
        std::mem::take(&mut registry.turned_away)
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
