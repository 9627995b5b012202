//! How long to wait before the next attempt: longer each time, and never in step with others.

use std::time::Duration;

use crate::random;

/// Waits that double from `first` to at most `most`. Up to half is added at random, so that clients which
/// lost the same server do not all come back in one moment.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    attempts: u32,
}

impl Backoff {
    /// Starts at `first`.
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, attempts: 0 }
    }

    /// Starts at `first` from now on, as the server asked. It may ask for more than `most`.
    pub(crate) fn set_first(&mut self, first: Duration) {
        self.first = first;
    }

    /// It worked: the next wait is the first again.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next wait.
    pub(crate) fn next(&mut self) -> Duration {
        self.next_with(random::unit())
    }

    fn next_with(&mut self, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.attempts));
        self.attempts = self.attempts.saturating_add(1);
        // What is added is at most half, so two thirds of the most stay within it. The first wait is what the
        // server may have asked for, and is never cut.
        let least = doubled.min(self.most.mul_f64(2.0 / 3.0)).max(self.first);
        least.mul_f64(1.0 + jitter / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_most_and_starts_again() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let seconds: Vec<u64> = (0..7).map(|_| backoff.next_with(0.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!(backoff.next_with(1.0).as_secs(), 30);
        backoff.reset();
        assert_eq!(backoff.next_with(1.0), Duration::from_millis(1_500));
    }

    #[test]
    fn what_the_server_asks_for_is_the_least() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        backoff.set_first(Duration::from_secs(60));
        assert_eq!(backoff.next_with(0.0).as_secs(), 60);
        assert_eq!(backoff.next_with(0.0).as_secs(), 60);
        backoff.set_first(Duration::ZERO);
        assert_eq!(backoff.next_with(1.0), Duration::ZERO);
        assert!((0..100).all(|_| backoff.next() == Duration::ZERO));
    }
}
