//! All topics of one stream: they are joined by subscribers, and given the rows of a page.
//!
//! Joining has no gap. One lock covers the head and the index: the tail sets the head and looks a page's
//! topics up under it, and a topic is made under it with the head as its floor. So a topic either existed
//! when the page was looked up, and gets the page, or its floor covers the page, and the table has it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use oasis_core::Ts;
use oasis_store::StoredEvent;

use super::budget::Budget;
use super::pulse::{Presence, State};
use super::reads::Reads;
use super::ring::Renderer;
use super::round;
use super::stream::Stream;
use super::table::Table;
use super::topic::{Home, Topic};

/// Rows that a permanent topic's ring is filled with when the tail begins, so that clients that reconnect
/// after a restart find theirs without a query.
pub(crate) const RECENT: u16 = 2_048;

/// Times that the table went back which are told apart.
const MOST_BACK: usize = 32;

/// See the head of this file.
pub(crate) struct Topics<S: Stream> {
    pub(crate) stream: S,
    /// A stream's own: one whose subscribers have much to catch up with does not keep another waiting.
    pub(crate) reads: Reads,
    inner: Mutex<Inner<S>>,
    budget: Arc<Budget>,
    /// Itself, for the topics to tell when they end.
    this: Weak<Self>,
}

/// A topic that has rows of a page.
type Touched<S> = (Arc<Topic<S>>, Renderer<<S as Stream>::Mark>);

struct Inner<S: Stream> {
    topics: BTreeMap<S::Topic, Weak<Topic<S>>>,
    index: BTreeMap<S::Key, Vec<Weak<Topic<S>>>>,
    permanent: Vec<Arc<Topic<S>>>,
    /// Of a new topic. Its head is the last id that the tail has read.
    state: State,
    /// Every row up to this id has been pushed to its topics.
    routed: i64,
    /// The epochs that began because the table had gone back, and to which id, oldest first.
    went_back: Vec<(u64, i64)>,
}

/// What the tail and the clock tell the topics of a stream, whichever it is.
pub(crate) trait Tenant: Send + Sync {
    /// The family of channels whose rows it shows.
    fn family(&self) -> &'static str;
    /// The time between two heartbeats, and between two ticks.
    fn periods(&self) -> (Duration, Option<Duration>);
    /// The tail starts or restarts. `recent` are the stream's last rows, oldest first, at most [`RECENT`].
    fn start(&self, recent: &[StoredEvent], head: i64, presence: Presence);
    /// The stream's rows of a page that reaches to `head`; gives the rounds that end with it.
    fn route(&self, rows: &[StoredEvent], head: i64) -> Vec<round::End>;
    /// The family has been pruned.
    fn pruned(&self, through: i64);
    /// A heartbeat.
    fn beat(&self, now: Ts);
    /// A tick.
    fn tick(&self);
    /// Ends all subscribers, now and later.
    fn close(&self);
}

impl<S: Stream> Topics<S> {
    pub(crate) fn new(stream: S, table: Arc<dyn Table>, budget: Arc<Budget>) -> Arc<Self> {
        let state =
            State { presence: Presence::Unread, head: 0, epoch: 0, beats: 0, ticks: 0, closing: false };
        let inner = Inner {
            topics: BTreeMap::new(),
            index: BTreeMap::new(),
            permanent: Vec::new(),
            state,
            routed: 0,
            went_back: Vec::new(),
        };
        let topics = Arc::new_cyclic(|this| Self {
            stream,
            reads: Reads::new(table),
            inner: Mutex::new(inner),
            budget,
            this: this.clone(),
        });
        for key in topics.stream.permanent() {
            let topic = topics.join(key);
            topics.lock().permanent.push(topic);
        }
        topics
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topic, which is made if nobody holds it.
    pub(crate) fn join(&self, key: S::Topic) -> Arc<Topic<S>> {
        let mut inner = self.lock();
        if let Some(topic) = inner.topics.get(&key).and_then(Weak::upgrade) {
            return topic;
        }
        let budget = S::RING.is_none().then(|| self.budget.clone());
        let home: Weak<Self> = self.this.clone();
        let topic = Arc::new(Topic::new(key.clone(), inner.state, budget, home));
        for found_under in S::keys(&key) {
            inner.index.entry(found_under).or_default().push(Arc::downgrade(&topic));
        }
        inner.topics.insert(key, Arc::downgrade(&topic));
        topic
    }

    /// The last id that the tail has read, and what it knows of the family.
    pub(crate) fn state(&self) -> State {
        self.lock().state
    }

    /// Every row up to this id is in the ring of its topic, or older than that.
    pub(crate) fn routed(&self) -> i64 {
        self.lock().routed
    }

    /// The lowest id that the table has gone back to since `epoch`, as a restored one does.
    pub(crate) fn back_since(&self, epoch: u64) -> Option<i64> {
        self.lock().went_back.iter().filter(|(then, _)| *then > epoch).map(|(_, head)| *head).min()
    }

    /// Adds a row as the stream shows it.
    fn render(&self, row: &StoredEvent, renderer: &mut Renderer<S::Mark>) {
        renderer.add(row.id, |out| (self.stream.mark(row), self.stream.render(row, out)));
    }

    /// How many topics there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().topics.len()
    }

    /// Every topic that lives. Drop them after the lock is released: whoever drops a topic last takes the
    /// lock.
    fn all(&self) -> Vec<Arc<Topic<S>>> {
        self.lock().all()
    }
}

impl<S: Stream> Inner<S> {
    fn all(&self) -> Vec<Arc<Topic<S>>> {
        self.topics.values().filter_map(Weak::upgrade).collect()
    }

    fn went_back(&mut self, epoch: u64, head: i64) {
        self.went_back.push((epoch, head));
        if self.went_back.len() > MOST_BACK {
            // As if the oldest had happened with the next: whoever has missed both goes back far enough.
            let (_, oldest) = self.went_back.remove(0);
            self.went_back[0].1 = self.went_back[0].1.min(oldest);
        }
    }

    /// Each row with each topic that may show it, to be dropped without the lock.
    fn candidates<'a>(&self, rows: &'a [StoredEvent]) -> Vec<(&'a StoredEvent, Arc<Topic<S>>)> {
        let mut found: Vec<(&StoredEvent, Arc<Topic<S>>)> = Vec::new();
        for row in rows {
            let first = found.len();
            let keys = S::keys_of(row);
            for key in &keys {
                for topic in self.index.get(key).into_iter().flatten() {
                    // A topic that is found under several keys of a row shows the row once.
                    let is_this = |(_, other): &(_, Arc<_>)| Weak::as_ptr(topic) == Arc::as_ptr(other);
                    if keys.len() == 1 || !found[first..].iter().any(is_this) {
                        found.extend(topic.upgrade().map(|topic| (row, topic)));
                    }
                }
            }
        }
        found
    }
}

impl<S: Stream> Home<S> for Topics<S> {
    fn forget(&self, topic: &Topic<S>) {
        fn is_gone<T>(topic: &Weak<T>) -> bool {
            topic.strong_count() == 0
        }
        let mut inner = self.lock();
        // Another one with the same key may have been made meanwhile.
        if inner.topics.get(&topic.key).is_some_and(is_gone) {
            inner.topics.remove(&topic.key);
        }
        for key in S::keys(&topic.key) {
            if let Some(found) = inner.index.get_mut(&key) {
                found.retain(|topic| !is_gone(topic));
                if found.is_empty() {
                    inner.index.remove(&key);
                }
            }
        }
    }
}

impl<S: Stream> Tenant for Topics<S> {
    fn family(&self) -> &'static str {
        S::FAMILY
    }

    fn periods(&self) -> (Duration, Option<Duration>) {
        (S::HEARTBEAT, S::TICK)
    }

    fn start(&self, recent: &[StoredEvent], head: i64, presence: Presence) {
        let mut inner = self.lock();
        // Once filled, always filled: what is shown of an empty family would be taken for rows.
        let filled = presence == Presence::Filled || inner.state.presence == Presence::Filled;
        let presence = if filled { Presence::Filled } else { presence };
        let epoch = inner.state.epoch + 1;
        if head < inner.state.head {
            inner.went_back(epoch, head);
        }
        inner.state = State { presence, head, epoch, ..inner.state };
        inner.routed = head;
        let topics = inner.all();
        for topic in &topics {
            if !inner.permanent.iter().any(|permanent| Arc::ptr_eq(permanent, topic)) {
                topic.start(head, false, Vec::new(), inner.state);
                continue;
            }
            // Rows before the oldest of these are in the table only.
            let floor = recent.first().map_or(head, |first| first.id - 1);
            let mut renderer = Renderer::new(recent.len());
            for row in recent {
                self.render(row, &mut renderer);
            }
            topic.start(floor, recent.len() < usize::from(RECENT), renderer.chunks(), inner.state);
        }
        drop(inner);
        // The last one that drops a topic takes the lock.
        drop(topics);
        self.reads.clear();
    }

    fn route(&self, rows: &[StoredEvent], head: i64) -> Vec<round::End> {
        let candidates = {
            let mut inner = self.lock();
            inner.state.head = head;
            if !rows.is_empty() {
                inner.state.presence = Presence::Filled;
            }
            inner.candidates(rows)
        };
        let found = candidates.into_iter().filter(|(row, topic)| S::shows(&topic.key, row));
        let mut touched: Vec<Touched<S>> = Vec::new();
        let mut places: HashMap<u64, usize> = HashMap::new();
        for (row, topic) in found {
            let place = *places.entry(topic.id).or_insert_with(|| {
                let expected = if S::RING.is_some() { rows.len() } else { 1 };
                touched.push((topic, Renderer::new(expected)));
                touched.len() - 1
            });
            self.render(row, &mut touched[place].1);
        }
        let ends = touched.into_iter().map(|(topic, renderer)| topic.push(renderer.chunks())).collect();
        self.lock().routed = head;
        ends
    }

    fn pruned(&self, through: i64) {
        self.all().iter().for_each(|topic| topic.prune(through));
        self.reads.clear();
    }

    fn beat(&self, now: Ts) {
        metrics::gauge!("feed_topics", "family" => S::FAMILY).set(self.len() as f64);
        metrics::gauge!("feed_ring_bytes").set(self.budget.used() as f64);
        let heartbeat = self.stream.heartbeat(now);
        self.reads.clear();
        // Under the lock, or the tail could begin anew meanwhile.
        let inner = self.lock();
        let topics = inner.all();
        let (routed, presence) = (inner.routed, inner.state.presence);
        topics.iter().for_each(|topic| topic.beat(routed, presence, heartbeat.clone()));
        drop(inner);
        drop(topics);
    }

    fn tick(&self) {
        self.all().iter().for_each(|topic| topic.tick());
    }

    fn close(&self) {
        self.lock().state.closing = true;
        self.all().iter().for_each(|topic| topic.close());
    }
}
