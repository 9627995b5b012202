//! Probes whether the table answers, and whether writers could append to it. If one of the two fails, no
//! agent can ping. Afterwards, the agents wait for a while before they try again. So every agent then gets
//! its whole time again.

use oasis_store::Store;
use tokio::time::sleep;

use super::pace::{EVERY, SLOW};
use super::shared::Agents;

impl Agents {
    /// Probes until the future is dropped.
    pub(super) async fn probe(&self, store: &Store) {
        let mut answers = true;
        loop {
            sleep(EVERY).await;
            if !self.registry().watches() {
                continue;
            }
            let sent = self.now();
            let answered = store.accepts_appends().await;
            let took = self.now().saturating_sub(sent);
            let in_time = matches!(answered, Ok(true)) && took <= SLOW;
            self.registry().probed(sent, in_time, answered.is_ok().then(|| self.now()));
            if answers && !in_time {
                let error = answered.err().map(tracing::field::display);
                tracing::warn!(
                    ?took,
                    error,
                    "the table hangs, or writers wait for a lock: every agent gets its whole time again"
                );
            }
            answers = in_time;
        }
    }
}
