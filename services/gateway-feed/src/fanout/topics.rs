//! The topics of one stream: subscribers join topics, and the tail routes the rows of each page to the
//! topics.
//!
//! A subscriber that joins misses no row, because one lock protects both the head and the index. Under this
//! lock, the tail sets the head and looks up the topics of a page. Under the same lock, a new topic is made
//! with the head as its floor. So there are two cases. If the topic already exists when the tail looks up
//! the topics of a page, the topic gets the page. Otherwise, the topic's floor is not below the page, and
//! its subscribers read the rows of the page from the table.

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
use super::topic::{Topic, TopicIndex};

/// The number of rows that fill the ring of a permanent topic when the tail starts. So clients that
/// reconnect after a restart find their rows in the ring, without a query.
pub(crate) const RECENT: u16 = 2_048;

/// The maximum number of rewinds of the table that are kept. Older rewinds are merged.
const MOST_REWINDS: usize = 32;

/// All topics of one stream. See the head of this file.
pub(crate) struct Topics<S: Stream> {
    pub(crate) stream: S,
    /// Each stream has its own reads. So subscribers that catch up in one stream do not delay subscribers
    /// of another stream.
    pub(crate) reads: Reads,
    inner: Mutex<Inner<S>>,
    budget: Arc<Budget>,
    /// A reference to this value, which topics use to remove themselves when they are dropped.
    this: Weak<Self>,
}

/// A topic that has rows in a page, and the renderer of those rows.
type Touched<S> = (Arc<Topic<S>>, Renderer<<S as Stream>::Mark>);

struct Inner<S: Stream> {
    topics: BTreeMap<S::Topic, Weak<Topic<S>>>,
    index: HashMap<S::Key, Vec<Weak<Topic<S>>>>,
    permanent: Vec<Arc<Topic<S>>>,
    /// The state that a new topic starts with. Its head is the last id that the tail has read.
    state: State,
    /// Every row up to this id has been pushed to its topics.
    routed: i64,
    /// The rewinds of the table, oldest first. A rewind means that the table was restored, and that its
    /// head is lower than before. Each entry has the epoch that began with the rewind, and the new head.
    rewinds: Vec<(u64, i64)>,
}

/// The topics of one stream, as the hub uses them, without the type of the stream.
pub(crate) trait Tenant: Send + Sync {
    /// The family of channels whose rows the stream shows.
    fn family(&self) -> &'static str;
    /// The time between two heartbeats, and between two ticks (`None` if there are no ticks).
    fn periods(&self) -> (Duration, Option<Duration>);
    /// Handles a start or restart of the tail at `head`. `recent` holds the last rows of the stream, oldest
    /// first, at most [`RECENT`].
    fn start(&self, recent: &[StoredEvent], head: i64, presence: Presence);
    /// Routes the stream's rows of a page. `head` is the last id of the page. Returns the [`round::End`] of
    /// each round that the page ends.
    fn route(&self, rows: &[StoredEvent], head: i64) -> Vec<round::End>;
    /// Forgets the rows of the family up to `through`, because retention has deleted them.
    fn pruned(&self, through: i64);
    /// Sends a heartbeat.
    fn beat(&self, now: Ts);
    /// Counts a tick.
    fn tick(&self);
    /// Ends all current and future subscribers.
    fn close(&self);
}

impl<S: Stream> Topics<S> {
    pub(crate) fn new(stream: S, table: Arc<dyn Table>, budget: Arc<Budget>) -> Arc<Self> {
        let state =
            State { presence: Presence::Unread, head: 0, epoch: 0, beats: 0, ticks: 0, closing: false };
        let inner = Inner {
            topics: BTreeMap::new(),
            index: HashMap::new(),
            permanent: Vec::new(),
            state,
            routed: 0,
            rewinds: Vec::new(),
        };
        let topics = Arc::new_cyclic(|this| Self {
            stream,
            // The rings of private streams are small. After a restart, thousands of subscribers read the
            // table.
            reads: Reads::new(table, S::RING.is_none()),
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

    /// Returns the topic with this key. Makes the topic if the topic does not exist.
    pub(crate) fn join(&self, key: S::Topic) -> Arc<Topic<S>> {
        let mut inner = self.lock();
        if let Some(topic) = inner.topics.get(&key).and_then(Weak::upgrade) {
            return topic;
        }
        let budget = S::RING.is_none().then(|| self.budget.clone());
        let index: Weak<Self> = self.this.clone();
        let topic = Arc::new(Topic::new(key.clone(), inner.state, budget, index));
        for found_under in S::keys(&key) {
            inner.index.entry(found_under).or_default().push(Arc::downgrade(&topic));
        }
        inner.topics.insert(key, Arc::downgrade(&topic));
        topic
    }

    /// The last id that the tail has read, and what the tail knows about the family.
    pub(crate) fn state(&self) -> State {
        self.lock().state
    }

    /// Every row up to this id is in the ring of its topic, or is older than that ring.
    pub(crate) fn routed(&self) -> i64 {
        self.lock().routed
    }

    /// The lowest head of the rewinds after `epoch`; `None` if there was no rewind after `epoch`.
    pub(crate) fn rewound_since(&self, epoch: u64) -> Option<i64> {
        self.lock().rewinds.iter().filter(|(then, _)| *then > epoch).map(|(_, head)| *head).min()
    }

    /// Adds a row to a renderer, with the row's mark and frame.
    fn render(&self, row: &StoredEvent, renderer: &mut Renderer<S::Mark>) {
        renderer.add(row.id, |out| (self.stream.mark(row), self.stream.render(row, out)));
    }

    /// The number of topics.
    pub(crate) fn len(&self) -> usize {
        self.lock().topics.len()
    }

    /// Every topic that exists.
    fn all(&self) -> Vec<Arc<Topic<S>>> {
        self.lock().all()
    }
}

impl<S: Stream> Inner<S> {
    /// Every topic that exists. The caller must drop the references after it has released the lock, because
    /// dropping the last reference to a topic takes the lock.
    fn all(&self) -> Vec<Arc<Topic<S>>> {
        self.topics.values().filter_map(Weak::upgrade).collect()
    }

    fn add_rewind(&mut self, epoch: u64, head: i64) {
        self.rewinds.push((epoch, head));
        if self.rewinds.len() > MOST_REWINDS {
            // The oldest rewind is merged into the next rewind. A subscriber that has missed both rewinds
            // still goes back far enough.
            let (_, oldest) = self.rewinds.remove(0);
            self.rewinds[0].1 = self.rewinds[0].1.min(oldest);
        }
    }

    /// Pairs each row with each topic that may show the row. The caller must drop the references to topics
    /// after it has released the lock.
    fn candidates<'a>(&self, rows: &'a [StoredEvent]) -> Vec<(&'a StoredEvent, Arc<Topic<S>>)> {
        let mut found: Vec<(&StoredEvent, Arc<Topic<S>>)> = Vec::new();
        for row in rows {
            let first = found.len();
            for key in S::keys_of(row) {
                let before = found.len();
                for topic in self.index.get(&key).into_iter().flatten() {
                    // A topic that is found under several keys of a row shows the row only once.
                    let is_this = |(_, other): &(_, Arc<_>)| Weak::as_ptr(topic) == Arc::as_ptr(other);
                    if !found[first..before].iter().any(is_this) {
                        found.extend(topic.upgrade().map(|topic| (row, topic)));
                    }
                }
            }
        }
        found
    }
}

impl<S: Stream> TopicIndex<S> for Topics<S> {
    fn remove(&self, topic: &Topic<S>) {
        fn is_gone<T>(topic: &Weak<T>) -> bool {
            topic.strong_count() == 0
        }
        let mut inner = self.lock();
        // In the meantime, a new topic with the same key may have been made.
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
        // A family that was once filled stays filled. Otherwise, a client that has received real rows could
        // mistake the frames of [`Stream::while_empty`] for real rows, too.
        let filled = presence == Presence::Filled || inner.state.presence == Presence::Filled;
        let presence = if filled { Presence::Filled } else { presence };
        let epoch = inner.state.epoch + 1;
        if head < inner.state.head {
            inner.add_rewind(epoch, head);
        }
        inner.state = State { presence, head, epoch, ..inner.state };
        inner.routed = head;
        let topics = inner.all();
        for topic in &topics {
            if !inner.permanent.iter().any(|permanent| Arc::ptr_eq(permanent, topic)) {
                topic.start(head, false, Vec::new(), inner.state);
                continue;
            }
            // Rows before the first row of `recent` are only in the table.
            let floor = recent.first().map_or(head, |first| first.id - 1);
            let mut renderer = Renderer::new(recent.len());
            for row in recent {
                self.render(row, &mut renderer);
            }
            topic.start(floor, recent.len() < usize::from(RECENT), renderer.chunks(), inner.state);
        }
        drop(inner);
        // Dropping the last reference to a topic takes the lock.
        drop(topics);
        self.reads.clear();
    }

    fn route(&self, rows: &[StoredEvent], head: i64) -> Vec<round::End> {
        let candidates = {
            let mut inner = self.lock();
            inner.state.head = head;
            let candidates = inner.candidates(rows);
            // A row of the family counts as the first row of the stream only if a permanent topic shows the
            // row.
            let permanent = &inner.permanent;
            let fills = |row| permanent.is_empty() || permanent.iter().any(|topic| S::shows(&topic.key, row));
            if rows.iter().any(fills) {
                inner.state.presence = Presence::Filled;
            }
            candidates
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
        // The lock is held, so that the tail cannot restart while the heartbeat is sent.
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
