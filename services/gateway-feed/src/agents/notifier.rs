//! [`Notifier`]: appends the notices that the table lacks.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_store::{AppendError, Appended, Appender, Store, StoreError};
use tokio::time::Instant;

use super::notice::Notice;
use super::observation::Observation;
use super::shared::Agents;

/// Notices that are appended at the same time.
const AT_ONCE: usize = 256;
/// The pause after a failure, doubled with each up to a minute.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long it is believed that this role may not append. It may be the database that takes no writes for a
/// while.
const NO_RIGHT: Duration = Duration::from_secs(60);

/// Appends notices. After a failure it waits, longer after each in a row, and it logs the first of them.
pub(super) struct Notifier {
    store: Store,
    appender: Appender,
    pause: Duration,
    not_before: Option<Instant>,
    /// Whether the log says that this role can't append.
    without_right: bool,
}

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the tail is behind the table")]
    Behind,
}

impl Notifier {
    pub(super) fn new(store: Store, appender: Appender) -> Self {
        Self { store, appender, pause: Duration::ZERO, not_before: None, without_right: false }
    }

    /// Appends what is due now.
    pub(super) async fn round(&mut self, agents: &Agents) {
        if self.not_before.is_some_and(|then| Instant::now() < then) {
            return;
        }
        match self.try_round(agents).await {
            Ok(()) => {
                if !self.pause.is_zero() {
                    tracing::info!("agents are watched again");
                }
                self.pause = Duration::ZERO;
            }
            Err(error) => {
                if self.pause.is_zero() {
                    tracing::warn!(%error, "agents can't be watched now; trying again");
                }
                self.pause = (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
                self.not_before = Some(Instant::now() + self.pause);
            }
        }
    }

    async fn try_round(&mut self, agents: &Agents) -> Result<(), RoundError> {
        self.learn(agents).await?;
        let due = |most| agents.registry().due(agents.now(), Ts::clamped(Timestamp::now()), most);
        if due(1).is_empty() || !self.may_append(agents).await? {
            return Ok(());
        }
        // Every ping that was sent before this moment is in the table by now.
        if !agents.has_read(self.store.head().await?).await {
            return Err(RoundError::Behind);
        }
        let due = due(AT_ONCE);
        let mut failed = None;
        let appended = join_all(due.iter().map(|notice| self.append(notice))).await;
        for (notice, appended) in due.iter().zip(appended) {
            match appended {
                Ok(_) => agents.registry().notified(notice),
                Err(error) => {
                    // Where this could not be written, no ping could.
                    if !matches!(error, AppendError::Refused(_) | AppendError::Overloaded) {
                        agents.registry().restart_count(agents.now());
                    }
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// A row that is there already was appended by another gateway.
    async fn append(&self, notice: &Notice) -> Result<Vec<Appended>, AppendError> {
        self.appender.append(notice.event.iter().cloned().collect(), Instant::now()).await
    }

    /// Asks the table which agents there are, if that is not known.
    async fn learn(&mut self, agents: &Agents) -> Result<(), RoundError> {
        let Some(epoch) = agents.registry().wants_seed() else { return Ok(()) };
        let account = self.store.agents().await?;
        let account = account.iter().filter_map(|said| Some((Observation::read(&said.event)?, said.age)));
        agents.registry().seed(epoch, account, agents.now());
        Ok(())
    }

    /// Whether this role may append; if it may not, the log says so once.
    async fn may_append(&mut self, agents: &Agents) -> Result<bool, RoundError> {
        let may = self.store.may_append().await?;
        if !may {
            if !self.without_right {
                tracing::warn!(
                    "agents are missing, and this gateway can't tell: its role may not append to \
                     oasis_events (INSERT and, under row level security, a policy), or the database takes \
                     no writes"
                );
            }
            self.not_before = Some(Instant::now() + NO_RIGHT);
        } else if self.without_right {
            // It may have been the database that took no writes.
            agents.registry().restart_count(agents.now());
        }
        self.without_right = !may;
        Ok(may)
    }
}
