//! One topic: a ring of rendered rows, a pulse that wakes the topic's subscribers, and the round in which
//! the subscribers wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use bytes::Bytes;
use tokio::sync::watch;

use super::budget::{Budget, Evict, Weight};
use super::pulse::{Presence, Pulse, State};
use super::ring::{Chunk, Replay, Ring, Taken};
use super::round;
use super::stream::Stream;

/// The id of the next topic.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// The index of a stream's topics. A topic that is dropped removes itself from the index.
pub(crate) trait TopicIndex<S: Stream>: Send + Sync {
    /// Removes a topic that is being dropped.
    fn remove(&self, topic: &Topic<S>);
}

/// A topic of a stream (see the head of this file). A topic exists until its last reference is dropped.
pub(crate) struct Topic<S: Stream> {
    /// Unique among the topics of all streams of this process.
    pub(crate) id: u64,
    pub(crate) key: S::Topic,
    ring: RwLock<Ring<S::Mark>>,
    pulse: watch::Sender<Pulse>,
    /// The end of the current round. The pulse holds a share of this round.
    end: Mutex<round::End>,
    /// Where the ring's bytes are counted; `None` for a ring with its own limit ([`Stream::RING`]).
    budget: Option<Arc<Budget>>,
    index: Weak<dyn TopicIndex<S>>,
    /// How often the pulse has woken a subscriber.
    #[cfg(test)]
    wakes: AtomicU64,
}

impl<S: Stream> Topic<S> {
    /// A topic with an empty ring, which will hold every row after `state.head`.
    pub(crate) fn new(
        key: S::Topic,
        state: State,
        budget: Option<Arc<Budget>>,
        index: Weak<dyn TopicIndex<S>>,
    ) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let (share, end) = round::begin();
        let ring = RwLock::new(Ring::new(state.head, false));
        let pulse = watch::Sender::new(Pulse { state, heartbeat: Bytes::new(), share });
        Self {
            id,
            key,
            ring,
            pulse,
            end: Mutex::new(end),
            budget,
            index,
            #[cfg(test)]
            wakes: AtomicU64::new(0),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Ring<S::Mark>> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ring<S::Mark>> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Pulse> {
        self.pulse.subscribe()
    }

    /// The current state.
    pub(crate) fn state(&self) -> State {
        self.pulse.borrow().state
    }

    /// The current state, once the tail has read the table.
    pub(crate) async fn once_read(&self) -> State {
        let is_read = |pulse: &Pulse| pulse.state.presence != Presence::Unread;
        match self.pulse.subscribe().wait_for(is_read).await {
            Ok(pulse) => pulse.state,
            // The channel is not closed while the topic exists.
            Err(_) => self.state(),
        }
    }

    /// Records, in tests, that the pulse has woken a subscriber.
    pub(crate) fn woken(&self) {
        #[cfg(test)]
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the pulse has woken subscribers.
    #[cfg(test)]
    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }

    /// The rows after `cursor` that match `want`, up to the end of one chunk. In a folding stream, they
    /// are added to `folded`.
    pub(crate) fn take(&self, cursor: i64, want: &S::Want, folded: &mut S::Folded) -> Taken {
        let wants = |mark: &S::Mark| S::wants(want, mark);
        let ring = self.read();
        if S::FOLDS {
            return ring.fold(cursor, |rows, out| S::fold(folded, &self.key, want, rows, out));
        }
        if S::wants_all(want) { ring.take(cursor, None) } else { ring.take(cursor, Some(&wants)) }
    }

    /// The last rows for a new subscriber, and the id up to which the ring is complete. The rows are `None`
    /// if the ring holds too few rows.
    pub(crate) fn replay(&self, most: usize, want: &S::Want) -> (Option<Replay>, i64) {
        let ring = self.read();
        (ring.replay(most, &|mark| S::is_replayed(mark) && S::wants(want, mark)), ring.head())
    }

    /// Replaces the ring, because the tail starts or restarts. The new ring holds `chunks`, which contain
    /// every row after `floor`. `whole` means that the table has no row of the topic up to `floor`.
    pub(crate) fn start(
        self: &Arc<Self>,
        floor: i64,
        whole: bool,
        chunks: Vec<Chunk<S::Mark>>,
        state: State,
    ) {
        // The new ring is filled before it is swapped in, so no reader sees it half filled.
        let mut ring = Ring::new(floor, whole);
        let added: Vec<(i64, usize)> = chunks.iter().map(|chunk| (chunk.last(), chunk.weight())).collect();
        chunks.into_iter().for_each(|chunk| ring.push(chunk));
        ring.advance(state.head);
        let before = std::mem::replace(&mut *self.write(), ring);
        self.free(before.weight());
        added.into_iter().for_each(|(last, bytes)| self.count(last, bytes));
        self.pulse.send_modify(|pulse| {
            let State { beats, ticks, .. } = pulse.state;
            pulse.state = State { beats, ticks, ..state };
        });
    }

    /// Adds the topic's rows of a page, and wakes the topic's subscribers. Returns the end of the round in
    /// which these subscribers waited. The returned end is ready once all of these subscribers have been
    /// woken.
    pub(crate) fn push(self: &Arc<Self>, chunks: Vec<Chunk<S::Mark>>) -> round::End {
        self.fill(chunks);
        let head = self.read().head();
        let (share, end) = round::begin();
        let mut current = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, end);
        self.pulse.send_modify(|pulse| {
            pulse.state.head = head;
            pulse.state.presence = Presence::Filled;
            pulse.share = share;
        });
        before
    }

    /// Forgets the rows up to `through`, which have been deleted and must no longer be shown.
    pub(crate) fn prune(&self, through: i64) {
        let freed = self.write().prune(through);
        self.free(freed);
    }

    /// Sends a heartbeat. Every row up to `routed` has been pushed.
    pub(crate) fn beat(&self, routed: i64, presence: Presence, heartbeat: Bytes) {
        let head = {
            let mut ring = self.write();
            ring.advance(routed);
            ring.head()
        };
        self.pulse.send_modify(|pulse| {
            let State { beats, head: pushed, .. } = pulse.state;
            pulse.state = State { head: head.max(pushed), presence, beats: beats + 1, ..pulse.state };
            pulse.heartbeat = heartbeat;
        });
    }

    /// Counts a tick, but only while the family has no row.
    pub(crate) fn tick(&self) {
        self.pulse.send_if_modified(|pulse| {
            let empty = pulse.state.presence == Presence::Empty;
            pulse.state.ticks += u64::from(empty);
            empty
        });
    }

    /// Ends all subscribers.
    pub(crate) fn close(&self) {
        self.pulse.send_modify(|pulse| pulse.state.closing = true);
    }

    fn fill(self: &Arc<Self>, chunks: Vec<Chunk<S::Mark>>) {
        for chunk in chunks {
            let (last, bytes) = (chunk.last(), chunk.weight());
            self.write().push(chunk);
            self.count(last, bytes);
        }
        if let Some(most) = S::RING {
            let mut ring = self.write();
            while ring.rows() > most {
                ring.drop_oldest();
            }
        }
    }

    fn count(self: &Arc<Self>, last: i64, bytes: usize) {
        if let Some(budget) = &self.budget {
            let weak: Weak<Self> = Arc::downgrade(self);
            budget.add(weak, last, bytes);
        }
    }

    fn free(&self, freed: Weight) {
        if let Some(budget) = &self.budget {
            budget.free(freed);
        }
    }
}

impl<S: Stream> Evict for Topic<S> {
    fn evict(&self, through: i64) -> Weight {
        self.write().drop_through(through)
    }

    fn holds(&self, last: i64) -> bool {
        self.read().holds(last)
    }
}

impl<S: Stream> Drop for Topic<S> {
    fn drop(&mut self) {
        let weight = self.read().weight();
        self.free(weight);
        if let Some(index) = self.index.upgrade() {
            index.remove(self);
        }
    }
}
