//! Whether the table answers, and could be appended to. While it does not, no agent can ping, and afterwards
//! an agent waits for a while before it tries again. So an interval during which the table did not answer
//! does not count.

use oasis_store::Store;
use tokio::time::sleep;

use super::pace::{EVERY, SLOW};
use super::shared::Agents;

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
