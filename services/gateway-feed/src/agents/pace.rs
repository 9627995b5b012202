//! How often the table is asked whether it answers, and how long an answer is believed.

use std::time::Duration;

/// How often the table is asked while an agent can be missed; otherwise it is not asked.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// An answer that took longer says that the table hung.
pub(super) const SLOW: Duration = Duration::from_secs(1);
/// How long an answer is believed: until the next one must be there.
pub(super) const BELIEVED: Duration = EVERY.saturating_add(SLOW);
