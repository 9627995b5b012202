//! Shares the registry between the tail, the task that watches the agents, and the requests ([`Agents`]).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oasis_core::ping::{PING, Pinger, REPEAT};
use oasis_core::{NewEvent, Source};
use oasis_store::{MOST_AGENTS, Update};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::observation::{Observation, Report};
use super::registry::Registry;

/// Before an agent is reported as lost, the tail must read every row of the table within this time.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// The registry, shared by the tail, the task that watches the agents, and the requests.
pub(crate) struct Agents {
    registry: Mutex<Registry>,
    /// The time at which the registry's monotonic clock is zero.
    zero: Instant,
    /// The last id that the tail has read.
    read: watch::Sender<i64>,
}

impl Agents {
    pub(crate) fn new() -> Self {
        Self {
            registry: Mutex::new(Registry::new(MOST_AGENTS)),
            zero: Instant::now(),
            read: watch::Sender::new(0),
        }
    }

    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether pings of new agents of a token are ignored, because there are too many agents.
    pub(crate) fn are_full(&self) -> bool {
        self.registry().is_full(self.now())
    }

    pub(super) fn now(&self) -> Duration {
        self.zero.elapsed()
    }

    /// Handles an update from the tail.
    pub(crate) fn update(&self, update: &Update) {
        let now = self.now();
        let mut registry = self.registry();
        match update {
            Update::Start { head, .. } => {
                registry.start();
                self.read.send_replace(*head);
            }
            Update::Events(events) => {
                for observation in events.iter().filter_map(Observation::read) {
                    if matches!(observation.report, Report::Lost { .. }) {
                        metrics::counter!("feed_agents_lost_total").increment(1);
                    }
                    registry.observe(observation, now);
                }
                self.read.send_replace(events.last().map_or(0, |event| event.id));
            }
            Update::Pruned(_) => {}
            Update::Up { .. } => registry.up(now),
            Update::Down(_) => registry.down(),
        }
    }

    /// Marks a ping that only repeats the last ping of the same agent: the sender, the task and the status
    /// are the same. So the ping stays out of the replay.
    pub(crate) fn mark_repeat(&self, new: NewEvent) -> NewEvent {
        let event = &new.event;
        if event.source != Source::AgentPing || event.kind.as_str() != PING {
            return new;
        }
        // The clone parses the object and is dropped. A parsed object needs more memory than its text.
        let who = Pinger::read(new.meta.clone().as_map(), event.module.as_str());
        let repeats = self
            .registry()
            .last_ping(&who.instance)
            .is_some_and(|last| (&last.who, &last.task, last.status) == (&who, &event.task, event.status));
        if repeats { NewEvent { meta: new.meta.adding(REPEAT, true), ..new } } else { new }
    }

    /// Waits until the tail has read every row up to `id`. Returns false if this wait takes longer than
    /// [`READ_WITHIN`].
    pub(super) async fn has_read(&self, id: i64) -> bool {
        let mut read = self.read.subscribe();
        timeout(READ_WITHIN, read.wait_for(|read| *read >= id)).await.is_ok()
    }
}
