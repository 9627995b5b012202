//! Limits the memory that the rings of all private topics share. If the rings need more memory, the oldest
//! chunk is evicted, no matter which topic it belongs to.
//!
//! If a topic loses its oldest chunk, the floor of its ring rises. A subscriber that still needs the rows
//! of the chunk reads the table. So a busy topic can take memory from quiet topics, but the subscribers of
//! the quiet topics still get every row.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, Weak};

/// A topic whose chunks count against the budget.
pub(crate) trait Evict: Send + Sync {
    /// Forgets every chunk whose last row is at or below `through`, and returns the weight of these chunks.
    fn evict(&self, through: i64) -> Weight;
    /// Whether the topic still has the chunk whose last row is `last`.
    fn holds(&self, last: i64) -> bool;
}

/// A number of chunks, and the bytes that they take.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) chunks: usize,
    pub(crate) bytes: usize,
}

/// The memory budget of the rings.
pub(crate) struct Budget {
    most: usize,
    bytes: AtomicUsize,
    chunks: AtomicUsize,
    /// The topic and the last row of every chunk, oldest first. Some of these chunks may already have been
    /// forgotten by their topics.
    oldest: Mutex<VecDeque<(Weak<dyn Evict>, i64)>>,
}

/// Forgotten chunks are removed from the queue once the queue is longer than twice the number of chunks
/// plus this number.
const GONE: usize = 1_024;

impl Budget {
    /// A budget of `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        let (bytes, chunks) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { most, bytes, chunks, oldest: Mutex::default() }
    }

    /// Counts a chunk of `topic` whose last row is `last`, and evicts the oldest chunks until the other
    /// chunks fit. The caller must hold no lock of a topic.
    pub(crate) fn add(&self, topic: Weak<dyn Evict>, last: i64, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let chunks = self.chunks.fetch_add(1, Ordering::Relaxed) + 1;
        // The references in `held` may become the last references to their topics. Dropping a topic takes
        // locks. So `held` is dropped after the lock below has been released.
        let mut held = Vec::new();
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.push_back((topic, last));
        while self.used() > self.most {
            let Some((topic, through)) = oldest.pop_front() else { break };
            if let Some(topic) = topic.upgrade() {
                self.free(topic.evict(through));
                held.push(topic);
            }
        }
        if oldest.len() > 2 * chunks + GONE {
            oldest.retain(|(topic, last)| {
                let Some(topic) = topic.upgrade() else { return false };
                let holds = topic.holds(*last);
                held.push(topic);
                holds
            });
        }
        drop(oldest);
        drop(held);
    }

    /// Subtracts chunks from the counters, because their topic has forgotten them.
    pub(crate) fn free(&self, freed: Weight) {
        self.bytes.fetch_sub(freed.bytes, Ordering::Relaxed);
        self.chunks.fetch_sub(freed.chunks, Ordering::Relaxed);
    }

    /// The bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A topic whose chunks are ten bytes each.
    #[derive(Default)]
    struct Ring(Mutex<VecDeque<i64>>);

    impl Evict for Ring {
        fn evict(&self, through: i64) -> Weight {
            let mut chunks = self.0.lock().unwrap();
            let before = chunks.len();
            chunks.retain(|last| *last > through);
            let gone = before - chunks.len();
            Weight { chunks: gone, bytes: 10 * gone }
        }

        fn holds(&self, last: i64) -> bool {
            self.0.lock().unwrap().contains(&last)
        }
    }

    fn push(budget: &Budget, ring: &Arc<Ring>, last: i64) {
        ring.0.lock().unwrap().push_back(last);
        let weak: Weak<Ring> = Arc::downgrade(ring);
        budget.add(weak, last, 10);
    }

    #[test]
    fn the_oldest_chunk_of_any_topic_is_evicted_first() {
        let (budget, quiet, busy) = (Budget::new(30), Arc::new(Ring::default()), Arc::new(Ring::default()));
        push(&budget, &quiet, 1);
        (2..=4).for_each(|last| push(&budget, &busy, last));
        assert_eq!((budget.used(), quiet.0.lock().unwrap().len()), (30, 0));
        assert_eq!(*busy.0.lock().unwrap(), [2, 3, 4]);
    }

    #[test]
    fn the_queue_does_not_grow_with_dropped_topics() {
        let budget = Budget::new(usize::MAX);
        for last in 0..10_000 {
            let ring = Arc::new(Ring::default());
            push(&budget, &ring, last);
            budget.free(ring.evict(last));
        }
        assert_eq!(budget.used(), 0);
        assert!(budget.oldest.lock().unwrap().len() <= GONE + 2);
    }

    #[test]
    fn the_queue_does_not_grow_when_a_topic_forgets_its_chunks() {
        let (budget, ring) = (Budget::new(usize::MAX), Arc::new(Ring::default()));
        for last in 0..10_000 {
            push(&budget, &ring, last);
            budget.free(ring.evict(last));
        }
        assert!(budget.oldest.lock().unwrap().len() <= GONE + 2);
    }
}
