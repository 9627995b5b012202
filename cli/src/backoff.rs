//! Computes the waits between attempts. Each wait is twice as long as the wait before it, up to a maximum,
//! and has random jitter.

use std::time::Duration;

use crate::random;

/// Waits that double from `first` up to `max`. A random time of at most half the wait is added to each wait,
/// so that the clients of a server do not all reconnect at the same moment.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// Makes a back-off whose first wait is `first`.
    pub(crate) const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, attempts: 0 }
    }

    /// Sets the first wait to the time that the server asked for. This time may be longer than `max`.
    pub(crate) fn set_first(&mut self, first: Duration) {
        self.first = first;
    }

    /// Starts again with the first wait. Call this after a success.
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
        // Jitter adds at most half of a wait, so a wait of two thirds of `max` stays within `max`. The server
        // may have asked for the first wait, so the first wait is never reduced.
        let base = doubled.min(self.max.mul_f64(2.0 / 3.0)).max(self.first);
        base.mul_f64(1.0 + jitter / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum_and_start_again_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let seconds: Vec<u64> = (0..7).map(|_| backoff.next_with(0.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!(backoff.next_with(1.0).as_secs(), 30);
        backoff.reset();
        assert_eq!(backoff.next_with(1.0), Duration::from_millis(1_500));
    }

    #[test]
    fn a_wait_is_never_shorter_than_the_server_asked_for() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        backoff.set_first(Duration::from_secs(60));
        assert_eq!(backoff.next_with(0.0).as_secs(), 60);
        assert_eq!(backoff.next_with(0.0).as_secs(), 60);
        backoff.set_first(Duration::ZERO);
        assert_eq!(backoff.next_with(1.0), Duration::ZERO);
        assert!((0..100).all(|_| backoff.next() == Duration::ZERO));
    }
}
