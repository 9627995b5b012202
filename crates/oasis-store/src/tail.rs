//! Following the table: every committed event once, in id order, woken by NOTIFY.
//!
//! One connection of its own LISTENs and reads. LISTEN counts as working only once this session has heard a NOTIFY
//! that another one sent (a transaction pooler accepts LISTEN and delivers nothing); until then the table is polled
//! every 2 s. A sweep a minute covers a notification that got lost, and tells a dead connection.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use oasis_core::chain;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client};

use crate::config::DatabaseUrl;
use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::page::{Columns, Order, Page, PageQuery, Statement, page_of};
use crate::store::Store;

/// The notification channel of the table.
const NOTIFICATIONS: &str = "oasis_events";
/// How often the table is read when nothing is heard.
const SWEEP: Duration = Duration::from_secs(60);
/// How often it is read when nothing can be heard.
const POLL: Duration = Duration::from_secs(2);
/// How long to wait for a notification of our own.
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// Rows of one read.
const PAGE: i64 = 500;
/// The longest that one read may take.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// What a tail tells its handler.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Where the tail begins, at first and after a discontinuity: a restored database has a lower head than was
    /// seen, or rows that were not read have been pruned. Nothing before `events` is known to the handler any more.
    Start {
        /// The last events up to `head`, oldest first.
        events: Vec<StoredEvent>,
        /// The id after which the tail goes on; what has been pruned counts.
        head: i64,
        /// Whether the table holds no event at all.
        empty: bool,
    },
    /// The next events, in id order. Never empty. Here and in `Start` what agents say comes with its `meta`.
    Events(Vec<StoredEvent>),
    /// Everything up to this id has been deleted, and must not be shown any more.
    Pruned(i64),
    /// The tail reads again, and whether it is woken (else it polls).
    Up {
        /// Whether LISTEN works.
        listening: bool,
    },
    /// The database is out of reach; the tail goes on trying.
    Down(String),
}

/// A follower of the table. See [`Tail::run`].
pub struct Tail {
    store: Store,
    recent: i64,
    head: Option<i64>,
    pruned: i64,
    /// Statements can't be prepared.
    plain: bool,
}

impl Store {
    /// A follower of the table.
    pub fn tail(&self) -> Tail {
        Tail::new(self.clone())
    }
}

impl Tail {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, recent: 0, head: None, pruned: 0, plain: false }
    }

    /// Begin with the last `recent` events instead of at the head.
    #[must_use]
    pub fn recent(mut self, recent: u16) -> Self {
        self.recent = i64::from(recent);
        self
    }

    /// Follows the table until the future is dropped, reconnecting for ever, and tells `handle` what it reads.
    pub async fn run(self, mut handle: impl FnMut(Update)) {
        self.run_async(|update| {
            handle(update);
            ready(())
        })
        .await;
    }

    /// Like [`Tail::run`]; nothing more is read until `handle` is done, so what it can't take yet waits in the table.
    pub async fn run_async<F: Future<Output = ()>>(mut self, mut handle: impl FnMut(Update) -> F) {
        let mut failures: u32 = 0;
        loop {
            let started = Instant::now();
            let Err(error) = self.session(&mut handle).await else { continue };
            failures = if started.elapsed() > SWEEP { 0 } else { failures + 1 };
            let error = chain(&error);
            tracing::warn!(error, "the tail lost the database");
            handle(Update::Down(error)).await;
            // 50 ms, doubling up to 2 s: as often as it would poll.
            sleep(Duration::from_millis(25 << failures.min(7)).min(POLL)).await;
        }
    }

    /// One session, until it breaks, or until the direct connection is worth another try.
    async fn session<F: Future<Output = ()>>(
        &mut self,
        handle: &mut impl FnMut(Update) -> F,
    ) -> Result<(), StoreError> {
        let args = &self.store.args;
        let (mut session, direct) = match Session::open(&self.store, args.listen_url()).await {
            Ok(session) => (session, true),
            Err(error) if args.listens_elsewhere() => {
                let error = chain(&error);
                tracing::warn!(error, "LISTEN_DATABASE_URL can't be reached: polling DATABASE_URL");
                (Session::open(&self.store, &args.database_url).await?, false)
            }
            Err(error) => return Err(error),
        };
        let mut listening = direct && self.listens(&mut session).await;
        if direct && !listening {
            tracing::warn!(
                "LISTEN is not heard on this connection: polling; LISTEN_DATABASE_URL may name a direct one"
            );
        }
        self.start(&session, handle).await?;
        handle(Update::Up { listening }).await;
        let mut probed = Instant::now();
        let mut woken = true;
        loop {
            let any = self.catch_up(&session, handle).await?;
            if any && !woken && listening {
                tracing::warn!("a notification was lost; the sweep found its events");
                metrics::counter!("tail_lost_notifications_total").increment(1);
            }
            let pause = if listening { SWEEP } else { POLL };
            woken = timeout(pause, session.woken.notified()).await.is_ok();
            if session.driver.is_finished() {
                return Err(StoreError::Connect("the connection was closed".into()));
            }
            if !listening && probed.elapsed() > SWEEP {
                if !direct {
                    return Ok(());
                }
                probed = Instant::now();
                listening = self.listens(&mut session).await;
                handle(Update::Up { listening }).await;
            }
        }
    }

    /// Whether LISTEN works in this session, which then also keeps the plan of its read.
    async fn listens(&mut self, session: &mut Session) -> bool {
        let listens = session.hears(&self.store).await;
        if listens
            && !self.plain
            && let Err(error) = session.prepare().await
        {
            let error = chain(&error);
            tracing::warn!(error, "the tail's read can't be prepared: it is planned each time");
            self.plain = true;
        }
        listens
    }

    /// Finds out where to begin, or whether the table is still the one that was being read.
    async fn start<F: Future<Output = ()>>(
        &mut self,
        session: &Session,
        handle: &mut impl FnMut(Update) -> F,
    ) -> Result<(), StoreError> {
        let sql = "SELECT coalesce(max(id), 0), count(id) = 0, \
                   coalesce((SELECT pruned_through FROM public.oasis_feed_state), 0) \
                   FROM (SELECT id FROM public.oasis_events ORDER BY id DESC LIMIT 1) AS newest";
        let rows = session.read(session.client.query_typed(sql, &[])).await?;
        let (newest, empty, pruned): (i64, bool, i64) =
            rows.first().map_or((0, true, 0), |row| (row.get(0), row.get(1), row.get(2)));
        let head = newest.max(pruned);
        if self.head.is_some_and(|seen| pruned <= seen && seen <= head) {
            return Ok(());
        }
        let mut events = Vec::new();
        if self.recent > 0 {
            let order = Order::NewestFirst { before: Some(head + 1) };
            events = session.page(&with_meta_of_agents(order, self.recent)).await?.events;
            events.reverse();
        }
        (self.head, self.pruned) = (Some(head), pruned);
        handle(Update::Start { events, head, empty }).await;
        Ok(())
    }

    /// Reads whatever is new; says whether anything was.
    async fn catch_up<F: Future<Output = ()>>(
        &mut self,
        session: &Session,
        handle: &mut impl FnMut(Update) -> F,
    ) -> Result<bool, StoreError> {
        let mut any = false;
        loop {
            let after = self.head.unwrap_or_default();
            let page = session.next(after).await;
            // A proxy may pass notifications on and still change servers between statements.
            self.plain |= session.next.is_some() && page.as_ref().is_err_and(is_refusal);
            let page = page?;
            // Rows that were never read have been deleted, or this is not the table that was being read.
            if page.pruned_through > after || page.newest.max(page.pruned_through) < after {
                self.start(session, handle).await?;
                continue;
            }
            if page.pruned_through > self.pruned {
                self.pruned = page.pruned_through;
                handle(Update::Pruned(self.pruned)).await;
            }
            let Some(last) = page.events.last() else { return Ok(any) };
            self.head = Some(last.id);
            any = true;
            let more = page.events.len() as i64 == PAGE;
            handle(Update::Events(page.events)).await;
            if !more {
                return Ok(any);
            }
        }
    }
}

/// One connection that listens and reads. Its driver task ends with it.
struct Session {
    client: Client,
    woken: Arc<Notify>,
    probed: Arc<Notify>,
    probe: String,
    /// Reads the next page, once the session is known to be one and the same server's.
    next: Option<tokio_postgres::Statement>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    async fn open(store: &Store, url: &DatabaseUrl) -> Result<Self, StoreError> {
        let connected = timeout(READ_WITHIN, url.named(store.name).connect(url.tls()?)).await;
        let (client, mut connection) = connected
            .map_err(|_| StoreError::Slow(READ_WITHIN))?
            .map_err(|error| StoreError::Connect(chain(&error)))?;
        let (woken, probed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let driver = tokio::spawn({
            let (woken, probed) = (woken.clone(), probed.clone());
            async move {
                let mut messages = futures_util::stream::poll_fn(move |cx| connection.poll_message(cx));
                while let Some(Ok(message)) = messages.next().await {
                    if let AsyncMessage::Notification(notification) = message {
                        match notification.channel() {
                            NOTIFICATIONS => woken.notify_one(),
                            _ => probed.notify_one(),
                        }
                    }
                }
                // So that the tail finds out at once.
                woken.notify_one();
            }
        });
        // The process and the moment make it ours among all that listen.
        let probe = format!("oasis_probe_{}_{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
        let session = Self { client, woken, probed, probe, next: None, driver };
        let listen = format!("LISTEN {NOTIFICATIONS}; LISTEN {}", session.probe);
        session.read(session.client.batch_execute(&listen)).await?;
        Ok(session)
    }

    /// Whether a notification that another connection sends arrives here.
    async fn hears(&self, store: &Store) -> bool {
        let sent = store
            .read(async |client| {
                client.query_typed("SELECT pg_notify($1, '')", &[(&self.probe, Type::TEXT)]).await
            })
            .await;
        sent.is_ok() && timeout(PROBE_WITHIN, self.probed.notified()).await.is_ok()
    }

    /// Has the server keep the plan of the read that every event waits for. Only where LISTEN works: behind most
    /// transaction poolers the next read may reach another session, which knows nothing of it.
    async fn prepare(&mut self) -> Result<(), StoreError> {
        let statement = Statement::of(&next_page(0));
        let types: Vec<Type> = statement.params.iter().map(|param| param.bind().1).collect();
        // With the values known it looks cheaper to the planner each time, by more than the planning costs; and without
        // them dear enough to be compiled, for longer than it runs.
        let settings = "SET plan_cache_mode = force_generic_plan; SET jit = off";
        self.read(self.client.batch_execute(settings)).await?;
        self.next = Some(self.read(self.client.prepare_typed(&statement.sql, &types)).await?);
        Ok(())
    }

    /// The events after `after`.
    async fn next(&self, after: i64) -> Result<Page, StoreError> {
        let Some(prepared) = &self.next else { return self.page(&next_page(after)).await };
        let statement = Statement::of(&next_page(after));
        let params: Vec<_> = statement.params.iter().map(|param| param.bind().0).collect();
        page_of(&self.read(self.client.query(prepared, &params)).await?)
    }

    async fn page(&self, query: &PageQuery<'_>) -> Result<Page, StoreError> {
        let statement = Statement::of(query);
        let params: Vec<_> = statement.params.iter().map(|param| param.bind()).collect();
        page_of(&self.read(self.client.query_typed(&statement.sql, &params)).await?)
    }

    async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        Ok(timeout(READ_WITHIN, work).await.map_err(|_| StoreError::Slow(READ_WITHIN))??)
    }
}

fn next_page<'a>(after: i64) -> PageQuery<'a> {
    with_meta_of_agents(Order::OldestFirst { after, upto: i64::MAX }, PAGE)
}

fn with_meta_of_agents<'a>(order: Order, limit: i64) -> PageQuery<'a> {
    PageQuery { columns: Columns::WithMetaOfAgents, ..PageQuery::ticker(None, order, limit) }
}

/// Whether the server answered, and refused.
fn is_refusal(error: &StoreError) -> bool {
    matches!(error, StoreError::Postgres(error) if error.code().is_some())
}
