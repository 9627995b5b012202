//! How often the table is probed, and how long an answer is believed.

use std::time::Duration;

/// The time between two probes while an agent can be missed. Otherwise there are no probes.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// An answer that takes longer means that the table hung.
pub(super) const SLOW: Duration = Duration::from_secs(1);
/// How long an answer is believed: until the answer to the next probe must have come.
pub(super) const BELIEVED: Duration = EVERY.saturating_add(SLOW);
