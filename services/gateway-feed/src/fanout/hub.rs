//! Passes the rows that the tail reads, one page after another, to the streams. Each stream passes its rows
//! to its topics.
//!
//! ```text
//! tail ── Update ──▶ Hub ── rows of a family ──▶ Topics<S> ── rows of a topic ──▶ Topic: ring + pulse
//!                                                                                    │ wakes
//!                                             Reads ◀── older than the ring ── Subscriber ──▶ client
//! ```
//!
//! Who waits for what:
//!
//! - The tail waits for the rounds of the topics that have rows in the page, for at most one second.
//! - A subscriber waits for its topic's pulse, for its own end, for its client's socket, or for the table.
//! - No one waits for a subscriber whose client reads slowly. The cursor of this subscriber becomes older
//!   than the ring, and the subscriber reads the table.
//!
//! Who drops what:
//!
//! - The last subscriber of a topic drops the topic, and the topic's ring with it.
//! - If a ring or the shared budget is full, the oldest chunk is dropped.
//! - A subscriber drops its share of a round when it wakes.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::{join, join_all};
use jiff::Timestamp;
use oasis_core::{Family, Ts};
use oasis_store::{StoredEvent, Update};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::ends::Ends;
use super::pulse::Presence;
use super::round;
use super::topics::Tenant;

/// The longest time that the tail waits for subscribers to wake. To wake, a subscriber needs only processor
/// time.
const LONGEST_ROUND: Duration = Duration::from_secs(1);

/// Passes the updates of the tail to the streams. See the head of this file.
pub(crate) struct Hub {
    tenants: Vec<Arc<dyn Tenant>>,
    pub(crate) ends: Arc<Ends>,
    tail: RwLock<TailState>,
}

/// What the tail has reported last.
enum TailState {
    /// The tail cannot read the table, for this reason.
    Down(String),
    /// Notifications wake the tail.
    Listens,
    /// The tail polls the table, for this reason.
    Polls(String),
}

impl Hub {
    pub(crate) fn new(tenants: Vec<Arc<dyn Tenant>>) -> Self {
        let tail = RwLock::new(TailState::Down("the table has not been read yet".into()));
        Self { tenants, ends: Arc::default(), tail }
    }

    /// Handles an update from the tail. If the update has events, this function returns once every
    /// subscriber that waited for these events has been woken, or after [`LONGEST_ROUND`]. So the tail
    /// outruns only clients that cannot keep up. During a surge, the unread events wait in the table until
    /// the tail reads them.
    pub(crate) async fn update(&self, update: Update) {
        match update {
            Update::Start { events, head, empty } => {
                for (tenant, rows) in self.tenants.iter().zip(self.by_family(events)) {
                    let ticker = tenant.family() == Family::devhub().as_str();
                    let presence = if ticker && empty { Presence::Empty } else { Presence::Filled };
                    tenant.start(&rows, head, presence);
                }
            }
            Update::Events(events) => {
                let rounds = self.route(events);
                let all = async {
                    for round in rounds {
                        round.await;
                    }
                };
                // The tail does not wait for subscribers that have not woken in time.
                let _ = timeout(LONGEST_ROUND, all).await;
            }
            Update::Pruned(marks) => {
                self.tenants.iter().for_each(|tenant| tenant.pruned(marks.of(tenant.family())));
            }
            Update::Up { polls } => {
                metrics::gauge!("feed_tail_listening").set(f64::from(u8::from(polls.is_none())));
                self.set_tail(polls.map_or(TailState::Listens, |why| TailState::Polls(why.to_string())));
            }
            Update::Down(why) => self.set_tail(TailState::Down(why)),
        }
    }

    /// Passes a page to the streams, and returns the [`round::End`] of each round that the page ends.
    fn route(&self, events: Vec<StoredEvent>) -> Vec<round::End> {
        metrics::counter!("feed_events_total").increment(events.len() as u64);
        let Some(head) = events.last().map(|last| last.id) else { return Vec::new() };
        let rows = self.by_family(events);
        self.tenants.iter().zip(&rows).flat_map(|(tenant, rows)| tenant.route(rows, head)).collect()
    }

    /// The rows of each stream, in the order of `self.tenants`. Rows of a family that no stream shows are
    /// left out.
    fn by_family(&self, events: Vec<StoredEvent>) -> Vec<Vec<StoredEvent>> {
        let mut rows: Vec<Vec<StoredEvent>> = self.tenants.iter().map(|_| Vec::new()).collect();
        for event in events {
            let family = event.channel.family();
            if let Some(nth) = self.tenants.iter().position(|tenant| tenant.family() == family) {
                rows[nth].push(event);
            }
        }
        rows
    }

    fn set_tail(&self, state: TailState) {
        *self.tail.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Why the tail cannot read the table now; `None` while the tail can read the table.
    pub(crate) fn trouble(&self) -> Option<String> {
        match &*self.tail.read().unwrap_or_else(PoisonError::into_inner) {
            TailState::Down(why) => Some(why.clone()),
            TailState::Listens | TailState::Polls(_) => None,
        }
    }

    /// Why the tail polls the table; `None` if notifications wake the tail, or the tail cannot read the
    /// table.
    pub(crate) fn polls(&self) -> Option<String> {
        match &*self.tail.read().unwrap_or_else(PoisonError::into_inner) {
            TailState::Polls(why) => Some(why.clone()),
            TailState::Down(_) | TailState::Listens => None,
        }
    }

    /// Ends all current and future subscribers.
    pub(crate) fn close(&self) {
        self.tenants.iter().for_each(|tenant| tenant.close());
    }

    /// Sends heartbeats and ticks, and ends subscribers at their deadlines, until the future is dropped.
    pub(crate) async fn keep_time(&self) {
        let clocks = join_all(self.tenants.iter().map(|tenant| self.clock(tenant.as_ref())));
        join(clocks, self.ends.run()).await;
    }

    async fn clock(&self, tenant: &dyn Tenant) {
        let (heartbeat, tick) = tenant.periods();
        let beats = async {
            let mut heartbeat = every(heartbeat);
            loop {
                heartbeat.tick().await;
                tenant.beat(Ts::clamped(Timestamp::now()));
            }
        };
        let ticks = async {
            let Some(tick) = tick else { return };
            let mut tick = every(tick);
            loop {
                tick.tick().await;
                tenant.tick();
            }
        };
        let ((), ()) = join(beats, ticks).await;
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
