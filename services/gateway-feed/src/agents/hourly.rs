//! Limits a log message to once per hour ([`Hourly`]).

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// When the message was last logged.
#[derive(Debug, Default)]
pub(super) struct Hourly(Option<Duration>);

impl Hourly {
    /// Whether the message may be logged now. If so, the message counts as logged.
    pub(super) fn is_due(&mut self, now: Duration) -> bool {
        let due = self.0.is_none_or(|logged| now >= logged + HOUR);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_due_once_an_hour() {
        let mut hourly = Hourly::default();
        let due = [0, 1, 3_599, 3_600, 3_601, 7_300].map(|at| hourly.is_due(Duration::from_secs(at)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
