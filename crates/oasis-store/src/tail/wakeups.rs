//! [`Wakeups`]: decides whether a tail waits for notifications or polls the table.

use std::time::Duration;

use tokio::time::Instant;

/// The time between two reads of the table when LISTEN does not work. Also the time in which a notification
/// must arrive after its rows have been read.
pub(super) const POLL: Duration = Duration::from_secs(2);

/// Why a tail polls the table, although notifications should wake it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyPoll {
    /// The server refuses LISTEN. Standbys and some proxies refuse LISTEN.
    #[error(
        "the server refuses LISTEN ({0}): to get events at once, set LISTEN_DATABASE_URL to a direct \
         connection to the primary"
    )]
    ListenRefused(String),
    /// The server accepted LISTEN, but the notification that tests LISTEN could not be sent.
    #[error("LISTEN can't be tested, because NOTIFY fails: {0}")]
    NotifyFailed(String),
    /// The server accepted LISTEN, but the notification that tests LISTEN did not arrive.
    #[error(
        "LISTEN does not work on this connection, perhaps because of a transaction pooler: set \
         LISTEN_DATABASE_URL to a direct connection"
    )]
    Deaf,
    /// Rows appeared without a notification.
    #[error(
        "rows appear without a notification. Possible causes: the database is a logical subscriber, where \
         the trigger that notifies does not run; the NOTIFY queue is nearly full; LISTEN has stopped working"
    )]
    Unannounced,
    /// The tail reads from DATABASE_URL, because it can't reach the direct connection.
    #[error("LISTEN_DATABASE_URL can't be reached: {0}")]
    NotDirect(String),
}

/// What a tail knows about notifications. While notifications work, the tail reads the table when a
/// notification wakes it, or when none has arrived for the time `sweep`. A read without a notification may
/// find rows whose notification is on its way. If that notification does not arrive, notifications do not
/// work, even if the test of LISTEN was successful.
#[derive(Debug)]
pub(super) struct Wakeups {
    sweep: Duration,
    /// `None` while notifications work.
    polls: Option<WhyPoll>,
    /// Whether the last read found rows before their notification arrived.
    is_suspicious: bool,
    /// Whether a notification has announced rows since the last test, and no rows without a notification have
    /// appeared after it.
    announced: bool,
    /// When LISTEN was last tested, or when the tail began to poll because of rows without a notification.
    since: Instant,
}

impl Wakeups {
    /// `tested` is the result of the first test of LISTEN.
    pub(super) fn new(tested: Result<(), WhyPoll>, sweep: Duration, now: Instant) -> Self {
        Self { sweep, polls: tested.err(), is_suspicious: false, announced: false, since: now }
    }

    /// Why the tail polls. `None` while notifications work.
    pub(super) fn polls(&self) -> Option<&WhyPoll> {
        self.polls.as_ref()
    }

    /// How long to wait for a notification before the next read.
    pub(super) fn pause(&self) -> Duration {
        if self.polls.is_none() && !self.is_suspicious { self.sweep } else { POLL.min(self.sweep) }
    }

    /// Records a read: whether a notification woke the tail before the read, and whether the read found rows.
    pub(super) fn observe(&mut self, was_woken: bool, found: bool, now: Instant) {
        if was_woken {
            self.is_suspicious = false;
            self.announced |= found;
            return;
        }
        if self.is_suspicious {
            self.announced = false;
            if self.polls.is_none() {
                (self.polls, self.since) = (Some(WhyPoll::Unannounced), now);
            }
        }
        // The notification may still be on its way, because the server sends it after the commit.
        self.is_suspicious = found;
    }

    /// Whether it is time to test LISTEN again.
    pub(super) fn is_test_due(&self, now: Instant) -> bool {
        self.polls.is_some() && now.saturating_duration_since(self.since) >= self.sweep
    }

    /// Records a test of LISTEN. After rows without a notification, a successful test is not enough: a
    /// notification must also have announced rows.
    pub(super) fn tested(&mut self, tested: Result<(), WhyPoll>, now: Instant) {
        let trusted = self.announced || self.polls != Some(WhyPoll::Unannounced);
        self.polls = match tested {
            Ok(()) if trusted => None,
            Ok(()) => Some(WhyPoll::Unannounced),
            Err(why) => Some(why),
        };
        (self.is_suspicious, self.announced, self.since) = (false, false, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWEEP: Duration = Duration::from_secs(60);

    #[test]
    fn a_notification_that_follows_its_rows_raises_no_doubt() {
        let now = Instant::now();
        let mut wakeups = Wakeups::new(Ok(()), SWEEP, now);
        assert_eq!((wakeups.pause(), wakeups.polls()), (SWEEP, None));
        wakeups.observe(false, true, now);
        assert_eq!((wakeups.pause(), wakeups.polls()), (POLL, None));
        wakeups.observe(true, false, now);
        assert_eq!((wakeups.pause(), wakeups.polls()), (SWEEP, None));
    }

    #[test]
    fn rows_without_a_notification_make_the_tail_poll_until_rows_are_announced_again() {
        let start = Instant::now();
        let mut wakeups = Wakeups::new(Ok(()), SWEEP, start);
        // The sweep finds rows, and no notification follows.
        wakeups.observe(false, true, start + SWEEP);
        let noticed = start + SWEEP + POLL;
        wakeups.observe(false, false, noticed);
        assert_eq!((wakeups.pause(), wakeups.polls()), (POLL, Some(&WhyPoll::Unannounced)));

        // A successful test alone does not count, because rows may still be unannounced.
        assert!(!wakeups.is_test_due(noticed) && wakeups.is_test_due(noticed + SWEEP));
        wakeups.tested(Ok(()), noticed + SWEEP);
        assert_eq!(wakeups.polls(), Some(&WhyPoll::Unannounced));
        // Rows are announced, but later rows are not. The later rows do not delay the next test, because its
        // LISTEN may restore the notifications.
        wakeups.observe(true, true, noticed + SWEEP);
        wakeups.observe(false, true, noticed + SWEEP);
        let later = noticed + 2 * SWEEP;
        wakeups.observe(false, true, later);
        assert!(wakeups.is_test_due(later));
        wakeups.tested(Ok(()), later);
        assert_eq!(wakeups.polls(), Some(&WhyPoll::Unannounced));
        // All rows are announced.
        wakeups.observe(true, true, later);
        wakeups.tested(Ok(()), later + SWEEP);
        assert_eq!((wakeups.pause(), wakeups.polls()), (SWEEP, None));
    }

    #[test]
    fn a_tail_that_polls_listens_again_after_a_successful_test() {
        let start = Instant::now();
        let refused = WhyPoll::ListenRefused("a standby".into());
        let mut wakeups = Wakeups::new(Err(refused.clone()), SWEEP, start);
        // Rows without a notification are expected, and change nothing.
        wakeups.observe(false, true, start + SWEEP);
        wakeups.observe(false, true, start + SWEEP);
        assert_eq!((wakeups.pause(), wakeups.polls()), (POLL, Some(&refused)));
        assert!(wakeups.is_test_due(start + SWEEP));
        wakeups.tested(Err(WhyPoll::Deaf), start + SWEEP);
        assert_eq!(wakeups.polls(), Some(&WhyPoll::Deaf));
        wakeups.tested(Ok(()), start + 2 * SWEEP);
        assert_eq!((wakeups.pause(), wakeups.polls()), (SWEEP, None));
    }
}
