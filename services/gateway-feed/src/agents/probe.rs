//! Whether the table can be asked at all, and appended to. While it can't, nobody can ping, and afterwards an agent waits for
//! a while before it tries again: so an interval during which the table did not answer counts for nothing.

use std::time::Duration;

use oasis_store::Store;
use tokio::time::sleep;

use super::Agents;

/// How often the table is asked while somebody is watched; nobody asks while nobody is.
const EVERY: Duration = Duration::from_secs(2);
/// An answer that took longer says that the table hung.
const SLOW: Duration = Duration::from_secs(1);
/// How long an answer is believed in: until the next one must be there.
pub(super) const BELIEVED: Duration = EVERY.saturating_add(SLOW);

impl Agents {
    /// Asks until it is dropped.
    pub(super) async fn probe(&self, store: &Store) {
        let mut answers = true;
        loop {
            sleep(EVERY).await;
            if !self.registry().watches() {
                continue;
            }
            let sent = self.now();
            let answered = store.answers().await;
            let took = self.now().saturating_sub(sent);
            let in_time = matches!(answered, Ok(true)) && took <= SLOW;
            self.registry().probed(sent, in_time, answered.is_ok().then(|| self.now()));
            if answers && !in_time {
                let error = answered.err().map(tracing::field::display);
                tracing::warn!(
                    ?took,
                    error,
                    "the table hangs, or writers wait for a lock: agents are given their whole time again"
                );
            }
            answers = in_time;
        }
    }
}
