//! Chooses the topics of a load at random, and paces the load.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// An item of a load, such as a line or an event: the number of its topic, and its own number.
pub(crate) type Item = (usize, u64);

/// Chooses random topics, and numbers the items. A linear congruential generator is random enough, and gives
/// the same topics in each run.
pub(crate) struct Draw {
    topics: usize,
    random: u64,
    next: u64,
}

impl Draw {
    pub(crate) fn new(topics: usize) -> Self {
        Self { topics, random: 1, next: 0 }
    }

    /// The number of items so far.
    pub(crate) fn drawn(&self) -> u64 {
        self.next
    }

    /// The next items.
    pub(crate) fn items(&mut self, count: usize) -> Vec<Item> {
        (0..count).map(|_| self.item()).collect()
    }

    fn item(&mut self) -> Item {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.next += 1;
        ((self.random >> 33) as usize % self.topics, self.next - 1)
    }
}

/// Waits until the next step of a load that has `per_second` steps per second, and began at `began`.
pub(crate) async fn pace(began: Instant, steps: u32, per_second: u32) {
    let due = Duration::from_secs(1) * steps / per_second;
    sleep(due.saturating_sub(began.elapsed())).await;
}
