//! The table `oasis_events` and everything that is said to it in SQL: append, page, tail, agents, watch, check,
//! migrate, prune.
//!
//! Statements are sent unnamed (`query_typed`): they work behind a transaction pooler, and each is planned
//! for its own values, without which rare values of a filter are served by a walk over the whole table.

mod agents;
mod append;
mod batch;
mod check;
mod config;
mod migrate;
mod page;
mod prune;
mod tail;
mod tls;
mod watch;

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use oasis_core::chain;
use tokio::runtime::Handle;
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

pub use agents::{AgentEvent, ENDED_AGENTS_STAY, LOSSES_OF_AGENT, MOST_AGENTS};
pub use append::{ANSWER_WITHIN, AppendError, Appended, Appender};
pub use check::{Need, Readiness};
pub use config::{DatabaseArgs, DatabaseUrl, UrlError};
pub use migrate::{MigrateError, Migrated, migrate, migration_script};
pub use page::{Columns, Filter, Order, Page, PageQuery, StoredEvent};
pub use prune::Pruned;
pub use tail::{Tail, Update};
pub use watch::{UnreadEntry, Walk, WatchLock, WatchState};

/// What can go wrong between us and the database. The text is for the log, not for a caller.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection to be had.
    #[error("no connection to the database: {0}")]
    Connect(String),
    /// The database refused a statement, or the connection broke under it.
    #[error("{}", chain(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// No answer in time.
    #[error("the database did not answer within {} s", .0.as_secs())]
    Slow(Duration),
}

impl From<deadpool_postgres::PoolError> for StoreError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => Self::Connect(chain(&error)),
            other => Self::Connect(chain(&other)),
        }
    }
}

/// The database as a service sees it: cheap to clone, connects when first used.
#[derive(Clone)]
pub struct Store {
    args: DatabaseArgs,
    name: &'static str,
    reads: Pool,
    tls: MakeRustlsConnect,
}

impl Store {
    /// The longest that one read may take.
    const READ_WITHIN: Duration = Duration::from_secs(20);

    /// Prepares connections under `name` (as the server lists its sessions); nothing is sent yet.
    ///
    /// # Errors
    /// When TLS can't be set up as the URL asks for.
    pub fn new(args: DatabaseArgs, name: &'static str) -> Result<Self, StoreError> {
        let reads = pool(&args.database_url, name, usize::from(args.database_pool_size))?;
        let tls = args.database_url.tls()?;
        Ok(Self { args, name, reads, tls })
    }

    /// Starts a batcher with a connection of its own, so that writers who wait never keep readers waiting.
    ///
    /// # Errors
    /// When TLS can't be set up as the URL asks for.
    pub fn appender(&self) -> Result<Appender, StoreError> {
        self.start_appender(None)
    }

    /// Likewise for who seldom appends: the connection is closed when nothing has been appended for `linger`, so that
    /// thousands of such need not be connected all the time.
    ///
    /// # Errors
    /// As of [`Store::appender`].
    pub fn occasional_appender(&self, linger: Duration) -> Result<Appender, StoreError> {
        self.start_appender(Some(linger))
    }

    fn start_appender(&self, linger: Option<Duration>) -> Result<Appender, StoreError> {
        let pool = pool(&self.args.database_url, self.name, 1)?;
        Ok(Appender::start(pool, self.tls.clone(), linger))
    }

    /// A follower of the table.
    pub fn tail(&self) -> Tail {
        Tail::new(self.clone())
    }

    /// Runs one read on a connection of the pool, bounded in time.
    async fn read<T>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let bounded = async {
            let mut reading = Reading { client: None, tls: &self.tls };
            let client: &Client = reading.client.insert(self.reads.get().await?);
            let outcome = work(client).await.map_err(StoreError::from);
            // Over: the connection goes back to the pool.
            drop(reading.client.take());
            outcome
        };
        tokio::time::timeout(Self::READ_WITHIN, bounded)
            .await
            .unwrap_or(Err(StoreError::Slow(Self::READ_WITHIN)))
    }
}

/// A connection with a read under way. Dropped before its end (too slow, or the one who asked has gone away), the read
/// is cancelled in the server and the connection closed: the next reader must not get the cancellation.
struct Reading<'a> {
    client: Option<Object>,
    tls: &'a MakeRustlsConnect,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let (Some(client), Ok(runtime)) = (self.client.take(), Handle::try_current()) else { return };
        let tls = self.tls.clone();
        runtime.spawn(async move {
            let token = client.cancel_token();
            let cancelled = token.cancel_query(tls);
            if !matches!(tokio::time::timeout(Duration::from_secs(2), cancelled).await, Ok(Ok(()))) {
                tracing::debug!("a read that nobody waits for can't be cancelled");
            }
            drop(Object::take(client));
        });
    }
}

fn pool(url: &DatabaseUrl, name: &str, size: usize) -> Result<Pool, StoreError> {
    let manager = Manager::from_config(
        url.named(name),
        url.tls()?,
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    let wait = Some(Duration::from_secs(5));
    Pool::builder(manager)
        .max_size(size)
        .timeouts(Timeouts { wait, create: wait, recycle: wait })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Connect(error.to_string()))
}
