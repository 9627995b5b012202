//! [`Store`]: the connections of one service, and reads that are bounded in time.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio::runtime::Handle;
use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{DatabaseArgs, DatabaseUrl};
use crate::error::StoreError;

/// The database as a service sees it: cheap to clone, connects when first used.
#[derive(Clone)]
pub struct Store {
    pub(crate) args: DatabaseArgs,
    pub(crate) name: &'static str,
    pub(crate) tls: MakeRustlsConnect,
    reads: Pool,
}

impl Store {
    /// The longest that one read may take.
    pub(crate) const READ_WITHIN: Duration = Duration::from_secs(20);

    /// Prepares connections under `name` (as the server lists its sessions); nothing is sent yet.
    ///
    /// # Errors
    /// When TLS can't be set up as the URL asks for.
    pub fn new(args: DatabaseArgs, name: &'static str) -> Result<Self, StoreError> {
        let reads = pool(&args.database_url, name, usize::from(args.database_pool_size))?;
        let tls = args.database_url.tls()?;
        Ok(Self { args, name, reads, tls })
    }

    /// Runs one read on a connection of the pool, bounded in time.
    pub(crate) async fn read<T>(
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

/// A connection with a read under way. Dropped before its end (too slow, or the one who asked has gone away),
/// the read is cancelled in the server and the connection closed: the next reader must not get the
/// cancellation.
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

pub(crate) fn pool(url: &DatabaseUrl, name: &str, size: usize) -> Result<Pool, StoreError> {
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
