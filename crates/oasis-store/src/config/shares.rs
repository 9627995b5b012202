//! [`Shares`]: divides a time among attempts.

use std::time::Duration;

use tokio::time::Instant;

/// A time that several attempts share. If an attempt needs less than its part, the later attempts get more.
#[derive(Debug)]
pub(super) struct Shares {
    end: Instant,
    left: usize,
}

impl Shares {
    /// Divides `time`, which begins now, among `attempts`.
    pub(super) fn new(time: Duration, attempts: usize) -> Self {
        Self::until(Instant::now() + time, attempts)
    }

    /// Divides the time until `end` among `attempts`.
    pub(super) fn until(end: Instant, attempts: usize) -> Self {
        Self { end, left: attempts }
    }

    /// The time for the next attempt.
    pub(super) fn next(&mut self) -> Duration {
        self.next_at(Instant::now())
    }

    fn next_at(&mut self, now: Instant) -> Duration {
        let left = u32::try_from(self.left.max(1)).unwrap_or(u32::MAX);
        self.left = self.left.saturating_sub(1);
        self.end.saturating_duration_since(now) / left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_ends_early_leaves_its_time_to_later_attempts() {
        let seconds = Duration::from_secs;
        let start = Instant::now();
        let mut shares = Shares::until(start + seconds(12), 3);
        assert_eq!(shares.next_at(start), seconds(4));
        assert_eq!(shares.next_at(start + seconds(4)), seconds(4));
        assert_eq!(shares.next_at(start + seconds(5)), seconds(7));
        assert_eq!(shares.next_at(start + seconds(13)), Duration::ZERO);
    }
}
