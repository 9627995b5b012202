//! [`RoomLog`]: the handle of the task that sends the output of a command to a room.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use oasis_core::Task;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::copy::{Copies, Output};
use super::sender::{self, Target};
use super::shared::Shared;

/// The time limit for sending the last lines.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends lines to a room until it is stopped.
pub(crate) struct RoomLog {
    shared: Arc<Shared>,
    failing: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

impl RoomLog {
    /// Starts a task of the current tokio runtime that sends the lines. The first request is sent when there
    /// is a first line.
    pub(crate) fn start(target: Target) -> Self {
        let shared = Arc::<Shared>::default();
        let (sender, failing) = watch::channel(None);
        let task = tokio::spawn(sender::run(target, Arc::clone(&shared), sender));
        Self { shared, failing, task }
    }

    /// Starts to copy the output of a command as [`Copies::start`] does.
    ///
    /// # Errors
    /// When the system cannot make a pipe or a thread.
    pub(crate) fn copy(
        &self,
        task: impl Fn() -> Task + Clone + Send + 'static,
    ) -> io::Result<(Copies, Output)> {
        Copies::start(&self.shared, task)
    }

    /// Why lines cannot be sent now. `None` while they can be sent.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failing.borrow().clone()
    }

    /// Waits until all lines are sent, but at most for 5 s.
    pub(crate) async fn stop(self) {
        self.shared.finish();
        if timeout(STOP_TIMEOUT, self.task).await.is_err() {
            let lost = self.shared.close();
            tracing::warn!(lost, "the last lines were not sent within {} s", STOP_TIMEOUT.as_secs());
        }
    }
}
