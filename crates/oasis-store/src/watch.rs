//! The state of the deploy-watcher between two polls: how far the log of each project has been read, and the
//! entries that could not be read.

use jiff::Timestamp;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::check::Readiness;
use crate::error::StoreError;
use crate::store::Store;

/// How far the log of a project has been read. The events of all entries up to that point have been stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchState {
    /// The time of the newest entry that has been read.
    pub cursor: Timestamp,
    /// The unfinished walk through the log's pages. `None` if the last walk has reached the last page.
    pub walk: Option<LogWalk>,
}

/// The point where a walk through the pages of a log continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogWalk {
    /// The walk reads the entries from this time on.
    pub from: Timestamp,
    /// When the first page was requested. Entries that have arrived since then may be on pages that the walk
    /// has already read.
    pub began: Timestamp,
    /// The token of the next page.
    pub token: String,
}

/// A log entry that can't be read, in its original form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadEntry {
    /// The full name of the log that contains the entry.
    pub log_name: String,
    /// When the logged event happened.
    pub timestamp: Timestamp,
    /// The id of the entry among the entries of the same log and time.
    pub insert_id: String,
    /// Why the entry can't be read.
    pub reason: String,
    /// The entry as protobuf.
    pub entry: Vec<u8>,
}

/// The lock of the pollers. Only one poller of all replicas can hold the lock at a time. The server releases
/// the lock shortly after this value is dropped or the connection is lost.
pub struct WatchLock {
    client: Client,
    driver: tokio::task::JoinHandle<()>,
}

impl WatchLock {
    /// Asks the server to release the lock, and waits for the answer.
    pub async fn release(self) {
        // If the ROLLBACK fails, the server releases the lock at the end of the connection.
        let _ = tokio::time::timeout(Store::READ_WITHIN, self.client.batch_execute("ROLLBACK")).await;
    }
}

impl Drop for WatchLock {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Lists the rights on the watcher's two tables that the watcher needs but this role does not have. Each row
/// is a sentence.
const LACKING: &str = "\
    WITH policies AS (SELECT polrelid, polcmd::text FROM pg_policy WHERE 0 = ANY(polroles) \
      OR EXISTS (SELECT FROM unnest(polroles) AS role WHERE pg_has_role(role, 'MEMBER'))) \
    SELECT format('this role needs %s on %s and, under row level security, a policy', n.verb, n.name) \
    FROM (VALUES ('oasis_watch_state', 'SELECT', 'r'), ('oasis_watch_state', 'INSERT', 'a'), \
      ('oasis_watch_state', 'UPDATE', 'w'), ('oasis_unread_entries', 'INSERT', 'a')) \
        AS n (name, verb, command), \
      LATERAL (SELECT to_regclass('{schema}.' || n.name)::oid AS oid) AS t \
    WHERE has_table_privilege(t.oid, n.verb) IS NOT TRUE OR row_security_active(t.oid) AND NOT EXISTS ( \
      SELECT FROM policies WHERE polrelid = t.oid AND polcmd IN ('*', n.command))";

impl Store {
    /// Checks that this role has the rights that the watcher needs on its tables.
    pub async fn check_watch(&self) -> Readiness {
        let lacking = self.read(async |client| client.query_typed(&self.sql(LACKING), &[]).await).await;
        lacking
            .map_or_else(|error| vec![error.to_string()], |rows| rows.iter().map(|row| row.get(0)).collect())
    }

    /// Takes the lock of the pollers. Returns `None` while another poller holds the lock. The lock belongs to
    /// a transaction that stays open, so the lock also works through a transaction pooler.
    ///
    /// # Errors
    /// When the database can't be reached or refuses a statement.
    pub async fn watch_lock(&self) -> Result<Option<WatchLock>, StoreError> {
        let url = &self.args.database_url;
        // The key of the lock is the name of the table, hashed to 64 bits.
        let take =
            self.sql("SELECT pg_try_advisory_xact_lock(hashtextextended('{prefix}oasis_watch_state', 0))");
        let connected = async {
            let connected = url.named(self.name).connect(url.tls()?).await;
            let (client, connection) = connected.map_err(|error| StoreError::connect(&error))?;
            let driver = tokio::spawn(async move { drop(connection.await) });
            let lock = WatchLock { client, driver };
            lock.client.batch_execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0").await?;
            let rows = lock.client.query_typed(&take, &[]).await?;
            Ok(rows.first().is_some_and(|row| row.get(0)).then_some(lock))
        };
        tokio::time::timeout(Self::READ_WITHIN, connected)
            .await
            .unwrap_or(Err(StoreError::Slow(Self::READ_WITHIN)))
    }

    /// Reads how far the log of `project` has been read. Returns `None` before the first poll.
    ///
    /// # Errors
    /// When the database can't be reached or refuses a statement.
    pub async fn watch_state(&self, project: &str) -> Result<Option<WatchState>, StoreError> {
        self.read(async |client| {
            let sql = "SELECT cursor, walk_from, walk_began, walk_token \
                       FROM {schema}.oasis_watch_state WHERE project = $1";
            let rows = client.query_typed(&self.sql(sql), &[(&project, Type::TEXT)]).await?;
            Ok(rows.first().map(|row| {
                // A CHECK constraint of the table ensures that all three columns are null or all three have a
                // value.
                let walk = row.get::<_, Option<String>>(3).map(|token| LogWalk {
                    from: row.get(1),
                    began: row.get(2),
                    token,
                });
                WatchState { cursor: row.get(0), walk }
            }))
        })
        .await
    }

    /// Stores `state` and `unread` in one statement. The stored cursor never moves back.
    ///
    /// # Errors
    /// When the database can't be reached or refuses a statement.
    pub async fn keep_watch_state(
        &self,
        project: &str,
        state: &WatchState,
        unread: &[UnreadEntry],
    ) -> Result<(), StoreError> {
        let walk = state.walk.as_ref();
        let (from, began) = walk.map(|walk| (walk.from, walk.began)).unzip();
        let token = walk.map(|walk| walk.token.as_str());
        let log_name: Vec<&str> = unread.iter().map(|entry| entry.log_name.as_str()).collect();
        let timestamp: Vec<Timestamp> = unread.iter().map(|entry| entry.timestamp).collect();
        let insert_id: Vec<&str> = unread.iter().map(|entry| entry.insert_id.as_str()).collect();
        let reason: Vec<&str> = unread.iter().map(|entry| entry.reason.as_str()).collect();
        let entry: Vec<&[u8]> = unread.iter().map(|entry| entry.entry.as_slice()).collect();
        let sql = "WITH unread AS ( \
                     INSERT INTO {schema}.oasis_unread_entries (log_name, ts, insert_id, reason, entry) \
                     SELECT * FROM unnest($6, $7, $8, $9, $10) ON CONFLICT DO NOTHING) \
                   INSERT INTO {schema}.oasis_watch_state AS kept \
                     (project, cursor, walk_from, walk_began, walk_token) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project) DO UPDATE SET \
                     cursor = greatest(kept.cursor, excluded.cursor), \
                     walk_from = excluded.walk_from, walk_began = excluded.walk_began, \
                     walk_token = excluded.walk_token, kept_at = DEFAULT";
        self.read(async |client| {
            let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 10] = [
                (&project, Type::TEXT),
                (&state.cursor, Type::TIMESTAMPTZ),
                (&from, Type::TIMESTAMPTZ),
                (&began, Type::TIMESTAMPTZ),
                (&token, Type::TEXT),
                (&log_name, Type::TEXT_ARRAY),
                (&timestamp, Type::TIMESTAMPTZ_ARRAY),
                (&insert_id, Type::TEXT_ARRAY),
                (&reason, Type::TEXT_ARRAY),
                (&entry, Type::BYTEA_ARRAY),
            ];
            client.query_typed(&self.sql(sql), &params).await.map(drop)
        })
        .await
    }
}
