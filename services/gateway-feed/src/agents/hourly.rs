//! [`Hourly`]: a line of the log that is written at most once an hour.

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// When the line was last written.
#[derive(Debug, Default)]
pub(super) struct Hourly(Option<Duration>);

impl Hourly {
    /// Whether the line may be written now; if so, it counts as written.
    pub(super) fn is_due(&mut self, now: Duration) -> bool {
        let due = self.0.is_none_or(|written| now >= written + HOUR);
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
    fn a_line_is_due_once_an_hour() {
        let mut hourly = Hourly::default();
        let due = [0, 1, 3_599, 3_600, 3_601, 7_300].map(|at| hourly.is_due(Duration::from_secs(at)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
