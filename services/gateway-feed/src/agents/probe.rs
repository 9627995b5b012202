//! Probes whether the table answers, and whether writers can append to the table. If the table does not
//! answer, or if writers cannot append, no agent can ping. After such a time, agents may wait for a while
//! before they try to ping again. So the silence of every agent is counted from zero again.

use oasis_store::Store;
use tokio::time::sleep;

use super::pace::{EVERY, SLOW};
use super::shared::Agents;

impl Agents {
    /// Probes the table until the future is dropped.
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
                    "the table hangs, or writers wait for a lock, so the silence of all agents is counted \
                     from zero again"
                );
            }
            answers = in_time;
        }
    }
}
