//! [`Store`]: the database connections of one service. Each read has a time limit.

use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use oasis_core::chain;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{DatabaseArgs, DatabaseUrl, Servers};
use crate::error::StoreError;

/// The database connections of one service. A `Store` is cheap to clone, and connects when it is first used.
#[derive(Clone)]
pub struct Store {
    pub(crate) args: DatabaseArgs,
    pub(crate) name: &'static str,
    pub(crate) tls: MakeRustlsConnect,
    reads: Pool,
}

impl Store {
    /// The time limit of a read.
    pub(crate) const READ_WITHIN: Duration = Duration::from_secs(20);

    /// Prepares connections with the application name `name`, unless the URL sets another name. This function
    /// does not connect yet.
    ///
    /// # Errors
    /// When TLS can't be set up in the way that the URL requires.
    pub fn new(args: DatabaseArgs, name: &'static str) -> Result<Self, StoreError> {
        let reads = pool(&args.database_url, name, usize::from(args.database_pool_size))?;
        let tls = args.database_url.tls()?;
        Ok(Self { args, name, reads, tls })
    }

    /// The URL of the database.
    pub fn database_url(&self) -> &DatabaseUrl {
        &self.args.database_url
    }

    /// Renders SQL for the schema of this store.
    pub(crate) fn sql(&self, template: &str) -> String {
        self.args.schema.sql(template)
    }

    /// Runs one read on a connection of the pool, with a time limit.
    pub(crate) async fn read<T>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let bounded = async {
            let mut guard = ReadGuard { client: None, tls: &self.tls };
            let client: &Client = guard.client.insert(self.reads.get().await?);
            let outcome = work(client).await.map_err(StoreError::from);
            // The read has ended, so the connection is returned to the pool.
            drop(guard.client.take());
            outcome
        };
        tokio::time::timeout(Self::READ_WITHIN, bounded)
            .await
            .unwrap_or(Err(StoreError::Slow(Self::READ_WITHIN)))
    }
}

/// A connection with a read in progress. If the read takes too long or its caller stops waiting, the guard is
/// dropped before the read ends. The guard then cancels the read in the server, and closes the connection, so
/// that the cancellation cannot affect the next read.
struct ReadGuard<'a> {
    client: Option<Object>,
    tls: &'a MakeRustlsConnect,
}

impl Drop for ReadGuard<'_> {
    fn drop(&mut self) {
        let (Some(client), Ok(runtime)) = (self.client.take(), Handle::try_current()) else { return };
        let tls = self.tls.clone();
        runtime.spawn(async move {
            let token = client.cancel_token();
            let cancelled = token.cancel_query(tls);
            if !matches!(tokio::time::timeout(Duration::from_secs(2), cancelled).await, Ok(Ok(()))) {
                tracing::debug!("an abandoned read could not be cancelled");
            }
            drop(Object::take(client));
        });
    }
}

pub(crate) fn pool(url: &DatabaseUrl, name: &str, size: usize) -> Result<Pool, StoreError> {
    let connect = PoolConnect { servers: url.named(name), tls: url.tls()? };
    let wait = Duration::from_secs(5);
    let create = (connect.servers.connect_within() + Duration::from_secs(1)).clamp(wait, Store::READ_WITHIN);
    let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    // `PoolConnect` has the settings of the connections, so those of the manager are empty.
    Pool::builder(Manager::from_connect(tokio_postgres::Config::new(), connect, settings))
        .max_size(size)
        .timeouts(Timeouts { wait: Some(wait), create: Some(create), recycle: Some(wait) })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Connect(error.to_string()))
}

/// Makes the connections of a pool.
struct PoolConnect {
    servers: Servers,
    tls: MakeRustlsConnect,
}

impl Connect for PoolConnect {
    fn connect(
        &self,
        _: &tokio_postgres::Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>>
    {
        Box::pin(async {
            let (client, connection) = self.servers.connect(self.tls.clone()).await?;
            let driver = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error = chain(&error), "a connection to the database has ended");
                }
            });
            Ok((client, driver))
        })
    }
}
