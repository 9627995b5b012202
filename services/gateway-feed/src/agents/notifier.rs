//! Appends the notices that are due ([`Notifier`]).

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_store::{AppendError, Appended, Appender, Store, StoreError};
use tokio::time::Instant;

use super::notice::Notice;
use super::observation::Observation;
use super::shared::Agents;

/// The maximum number of notices that are appended at the same time.
const AT_ONCE: usize = 256;
/// The pause after the first failure. The pause doubles with each further failure in a row, up to a minute.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a check has found that the gateway cannot append. The cause may be temporary: for
/// example, the database may be read-only for a while.
const NO_RIGHT: Duration = Duration::from_secs(60);

/// Appends notices. After a failure, the notifier pauses. The pause grows with each failure in a row, and
/// only the first failure in a row is logged.
pub(super) struct Notifier {
    store: Store,
    appender: Appender,
    pause: Duration,
    not_before: Option<Instant>,
    /// Whether the notifier has already logged that its database role cannot append.
    without_right: bool,
}

/// Why the notices could not be appended.
#[derive(Debug, thiserror::Error)]
enum NotifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the gateway has not read the newest rows of the table yet")]
    Behind,
}

impl Notifier {
    pub(super) fn new(store: Store, appender: Appender) -> Self {
        Self { store, appender, pause: Duration::ZERO, not_before: None, without_right: false }
    }

    /// Appends the notices that are due now.
    pub(super) async fn notify(&mut self, agents: &Agents) {
        if self.not_before.is_some_and(|then| Instant::now() < then) {
            return;
        }
        match self.try_notify(agents).await {
            Ok(()) => {
                if !self.pause.is_zero() {
                    tracing::info!("the gateway can report lost agents again");
                }
                self.pause = Duration::ZERO;
            }
            Err(error) => {
                if self.pause.is_zero() {
                    tracing::warn!(%error, "the gateway cannot report lost agents now and will try again");
                }
                self.pause = (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
                self.not_before = Some(Instant::now() + self.pause);
            }
        }
    }

    async fn try_notify(&mut self, agents: &Agents) -> Result<(), NotifyError> {
        self.seed(agents).await?;
        let due = |most| agents.registry().due(agents.now(), Ts::clamped(Timestamp::now()), most);
        if due(1).is_empty() || !self.may_append(agents).await? {
            return Ok(());
        }
        // Before a notice is appended, the tail must have read every row that the table holds now.
        if !agents.has_read(self.store.head().await?).await {
            return Err(NotifyError::Behind);
        }
        let due = due(AT_ONCE);
        let mut failed = None;
        let appended = join_all(due.iter().map(|notice| self.append(notice))).await;
        for (notice, appended) in due.iter().zip(appended) {
            match appended {
                Ok(_) => agents.registry().notified(notice),
                Err(error) => {
                    // If this notice could not be written, perhaps no ping could be written either. So the
                    // silence of every agent is counted from zero again.
                    if !matches!(error, AppendError::Refused(_) | AppendError::Overloaded) {
                        agents.registry().restart_count(agents.now());
                    }
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Appends a notice. It is not an error if another gateway has already appended the same notice.
    async fn append(&self, notice: &Notice) -> Result<Vec<Appended>, AppendError> {
        self.appender.append(notice.event.iter().cloned().collect(), Instant::now()).await
    }

    /// Seeds the registry from the table, if the registry needs a seed.
    async fn seed(&mut self, agents: &Agents) -> Result<(), NotifyError> {
        let Some(epoch) = agents.registry().wants_seed() else { return Ok(()) };
        let seed = self.store.agents().await?;
        let seed = seed.iter().filter_map(|last| Some((Observation::read(&last.event)?, last.age)));
        agents.registry().seed(epoch, seed, agents.now());
        Ok(())
    }

    /// Whether the gateway's database role may append. Only the first of several negative answers in a row
    /// is logged.
    async fn may_append(&mut self, agents: &Agents) -> Result<bool, NotifyError> {
        let may = self.store.may_append().await?;
        if !may {
            if !self.without_right {
                tracing::warn!(
                    "agents are missing, but this gateway cannot report them as lost: its role may not \
                     append to oasis_events (it needs INSERT and, under row level security, a policy), or \
                     the database accepts no writes"
                );
            }
            self.not_before = Some(Instant::now() + NO_RIGHT);
        } else if self.without_right {
            // Perhaps the database accepted no writes, so agents could not ping. So the silence of every
            // agent is counted from zero again.
            agents.registry().restart_count(agents.now());
        }
        self.without_right = !may;
        Ok(may)
    }
}
