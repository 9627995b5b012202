//! The connection of a tail, which listens and reads.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use oasis_core::chain;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client};

use super::wakeups::WhyPoll;
use crate::config::{DatabaseUrl, ServerConnection};
use crate::error::StoreError;
use crate::page::{Columns, Order, Page, PageQuery, PageStatement, Params};
use crate::schema::Schema;
use crate::store::Store;

/// The notification channel of the table, before it is rendered for a schema.
const NOTIFICATIONS: &str = "{prefix}oasis_events";
/// The time limit for the arrival of the notification that tests whether LISTEN works.
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// The maximum number of rows of one read.
const PAGE: i64 = 500;
/// The time limit of one read.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// A connection that listens and reads. Dropping this value ends the task of the driver.
pub(super) struct Session {
    client: Client,
    schema: Schema,
    url: DatabaseUrl,
    woken: Arc<Notify>,
    probed: Arc<Notify>,
    probe: String,
    /// The prepared statement that reads the next page, with its parameters. It is set once this connection
    /// is known to stay with one server session.
    next: Option<(tokio_postgres::Statement, Params)>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    pub(super) async fn open(store: &Store, url: &DatabaseUrl) -> Result<Self, StoreError> {
        let (client, mut connection) = connect(store, url).await?;
        let (woken, probed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let notifications = store.sql(NOTIFICATIONS);
        // The process id and the time make the name of this notification channel unique among all sessions.
        let probe = format!("oasis_probe_{}_{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
        let driver = tokio::spawn({
            let (woken, probed, probe) = (woken.clone(), probed.clone(), probe.clone());
            async move {
                let mut messages = futures_util::stream::poll_fn(move |cx| connection.poll_message(cx));
                while let Some(Ok(message)) = messages.next().await {
                    if let AsyncMessage::Notification(notification) = message {
                        if notification.channel() == notifications {
                            woken.notify_one();
                        } else if notification.channel() == probe {
                            // Behind a pooler, notifications for other programs may arrive as well.
                            probed.notify_one();
                        }
                    }
                }
                // Wakes the tail, so that the tail notices at once that the connection has ended.
                woken.notify_one();
            }
        });
        let schema = store.args.schema.clone();
        Ok(Self { client, schema, url: url.clone(), woken, probed, probe, next: None, driver })
    }

    /// Sends LISTEN, which may be sent any number of times. Then sends a notification on another connection,
    /// and waits until the notification arrives on this connection.
    ///
    /// # Errors
    /// When the connection has failed.
    pub(super) async fn listen(&self, store: &Store) -> Result<Result<(), WhyPoll>, StoreError> {
        // The notification of an earlier test may have arrived after its time limit.
        let _ = self.probed.notified().now_or_never();
        let listen = format!("LISTEN \"{}\"; LISTEN {}", store.sql(NOTIFICATIONS), self.probe);
        match self.read(self.client.batch_execute(&listen)).await {
            Ok(()) => {}
            Err(error) if error.is_refusal() => return Ok(Err(WhyPoll::ListenRefused(chain(&error)))),
            Err(error) => return Err(error),
        }
        if let Err(error) = self.send_probe(store).await {
            return Ok(Err(WhyPoll::NotifyFailed(chain(&error))));
        }
        let arrived = timeout(PROBE_WITHIN, self.probed.notified()).await;
        Ok(arrived.map_err(|_| WhyPoll::Deaf))
    }

    /// Sends a notification on another connection to the same server. DATABASE_URL may lead to another
    /// server, such as a standby.
    async fn send_probe(&self, store: &Store) -> Result<(), StoreError> {
        const NOTIFY: &str = "SELECT pg_notify($1, '')";
        let probe: [(&(dyn ToSql + Sync), Type); 1] = [(&self.probe, Type::TEXT)];
        if !store.args.has_listen_url() {
            return store.read(async |client| client.query_typed(NOTIFY, &probe).await.map(drop)).await;
        }
        let sent = async {
            let (client, connection) = connect(store, &self.url).await?;
            tokio::select! {
                sent = client.query_typed(NOTIFY, &probe) => Ok(sent.map(drop)?),
                _ = connection => Err(StoreError::Connect("the connection was closed".into())),
            }
        };
        timeout(READ_WITHIN, sent).await.unwrap_or(Err(StoreError::Slow(READ_WITHIN)))
    }

    /// Makes the server keep the plan of the statement that reads new events. Call this function only if
    /// LISTEN works. Otherwise, there may be a transaction pooler, and the next read may reach another server
    /// session, which does not have the plan.
    pub(super) async fn prepare(&mut self) -> Result<(), StoreError> {
        let statement = PageStatement::by_id(&query_after(0));
        let types: Vec<Type> = statement.params.bind().into_iter().map(|(_, sql_type)| sql_type).collect();
        // By default, the server would make a new plan for each read, which costs more time than it saves.
        // The server would also compile the plan (JIT), which takes longer than the read.
        let settings = "SET plan_cache_mode = force_generic_plan; SET jit = off";
        self.read(self.client.batch_execute(settings)).await?;
        let prepared = self.read(self.client.prepare_typed(&self.schema.sql(&statement.sql), &types)).await?;
        self.next = Some((prepared, statement.params));
        Ok(())
    }

    /// Reads the next page of events after the id `after`, of all channels.
    pub(super) async fn next(&self, after: i64) -> Result<Page, StoreError> {
        let Some((prepared, params)) = &self.next else { return self.page(&query_after(after)).await };
        let mut params: Vec<_> = params.bind().into_iter().map(|(value, _)| value).collect();
        // A statement without a filter adds this parameter first. No other parameter changes.
        params[0] = &after;
        Page::read(&self.read(self.client.query(prepared, &params)).await?, PAGE)
    }

    /// Reads a page without bounds on `ts`.
    pub(super) async fn page(&self, query: &PageQuery<'_>) -> Result<Page, StoreError> {
        let statement = PageStatement::by_id(query);
        let sql = self.schema.sql(&statement.sql);
        let rows = self.read(self.client.query_typed(&sql, &statement.params.bind())).await?;
        Page::read(&rows, query.limit)
    }

    /// Whether [`Session::next`] uses a prepared statement.
    pub(super) fn is_prepared(&self) -> bool {
        self.next.is_some()
    }

    /// Waits until rows may have been appended or deleted, or until the connection is closed.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Whether the connection has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        Ok(timeout(READ_WITHIN, work).await.map_err(|_| StoreError::Slow(READ_WITHIN))??)
    }
}

async fn connect(store: &Store, url: &DatabaseUrl) -> Result<(Client, ServerConnection), StoreError> {
    let connected = url.named(store.name).connect(url.tls()?).await;
    connected.map_err(|error| StoreError::connect(&error))
}

/// The query of a tail for the events after the id `after`.
fn query_after<'a>(after: i64) -> PageQuery<'a> {
    let order = Order::OldestFirst { after, upto: i64::MAX };
    let most_bytes = Some(PageQuery::MOST_BYTES);
    PageQuery { columns: Columns::Tail, most_bytes, ..PageQuery::ticker(None, order, PAGE) }
}
