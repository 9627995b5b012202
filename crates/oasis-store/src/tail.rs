//! Follows the table. A tail reads every committed event once, in id order. NOTIFY wakes the tail.
//!
//! A tail listens and reads on one connection, which nothing else uses. A transaction pooler accepts LISTEN,
//! but delivers no notifications. So LISTEN counts as working only after this session has received a NOTIFY
//! from another session. Until then, the tail polls the table every 2 s. When LISTEN works, the tail still
//! reads the table once a minute. This sweep finds events whose notification was lost, and detects a dead
//! connection.

use std::future::ready;
use std::time::Duration;

use oasis_core::{Channel, chain};
use tokio::time::{Instant, sleep, timeout};

use self::session::Session;
use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::filter::Filter;
use crate::marks::Marks;
use crate::page::{Columns, Order, Page, PageQuery};
use crate::store::Store;

mod session;

/// The time between two reads of the table when no notification arrives.
const SWEEP: Duration = Duration::from_secs(60);
/// The time between two reads of the table when LISTEN does not work.
const POLL: Duration = Duration::from_secs(2);

/// A report of a tail to its handler.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The tail starts, or it starts again after a discontinuity. A discontinuity means that the database was
    /// restored and its head is lower than before, or that rows were pruned before the tail had read them.
    /// The handler must not rely on earlier updates.
    Start {
        /// The last events of the ticker up to `head`, oldest first.
        events: Vec<StoredEvent>,
        /// The highest id over all channels, including pruned ids. The tail continues after this id.
        head: i64,
        /// Whether the table has no event of the ticker.
        empty: bool,
    },
    /// The next events of all channels, in id order. The list is never empty. Here and in `Start`, only the
    /// events that [`Columns::Tail`] lists have their `meta`.
    Events(Vec<StoredEvent>),
    /// For each family, the events up to the mark in [`Marks`] have been deleted. The handler must no longer
    /// show these events.
    Pruned(Marks),
    /// The tail can read the table.
    Up {
        /// Whether LISTEN works. If not, the tail polls.
        listening: bool,
    },
    /// The database can't be reached. The tail keeps trying.
    Down(String),
}

/// A follower of the table. See [`Tail::run`].
pub struct Tail {
    store: Store,
    recent: i64,
    head: Option<i64>,
    marks: Marks,
    /// Whether the server or a proxy has refused a prepared statement.
    cannot_prepare: bool,
}

impl Store {
    /// A follower of the table.
    pub fn tail(&self) -> Tail {
        Tail::new(self.clone())
    }
}

impl Tail {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, recent: 0, head: None, marks: Marks::default(), cannot_prepare: false }
    }

    /// Makes the tail start with the last `recent` events of the ticker. By default, the tail starts with no
    /// events.
    #[must_use]
    pub fn recent(mut self, recent: u16) -> Self {
        self.recent = i64::from(recent);
        self
    }

    /// Follows the table until the future is dropped. The tail connects again after every failure. `handle`
    /// receives each update.
    pub async fn run(self, mut handle: impl FnMut(Update)) {
        self.run_async(|update| {
            handle(update);
            ready(())
        })
        .await;
    }

    /// Like [`Tail::run`], but the tail reads again only after the future of `handle` has finished.
    /// Meanwhile, new events stay in the table.
    pub async fn run_async<F: Future<Output = ()>>(mut self, mut handle: impl FnMut(Update) -> F) {
        let mut failures: u32 = 0;
        loop {
            let started = Instant::now();
            let Err(error) = self.session(&mut handle).await else { continue };
            failures = if started.elapsed() > SWEEP { 0 } else { failures + 1 };
            let error = chain(&error);
            tracing::warn!(error, "the tail can't read the table, and tries again");
            handle(Update::Down(error)).await;
            // The pause starts at 25 or 50 ms, and doubles with each consecutive failure, up to `POLL`.
            sleep(Duration::from_millis(25 << failures.min(7)).min(POLL)).await;
        }
    }

    /// Runs one session until the connection breaks, or until it is time to try the direct connection again.
    async fn session<F: Future<Output = ()>>(
        &mut self,
        handle: &mut impl FnMut(Update) -> F,
    ) -> Result<(), StoreError> {
        let args = &self.store.args;
        let (mut session, direct) = match Session::open(&self.store, args.listen_url()).await {
            Ok(session) => (session, true),
            Err(error) if args.has_listen_url() => {
                let error = chain(&error);
                tracing::warn!(error, "LISTEN_DATABASE_URL can't be reached, so the tail polls DATABASE_URL");
                (Session::open(&self.store, &args.database_url).await?, false)
            }
            Err(error) => return Err(error),
        };
        let mut listening = direct && self.try_listen(&mut session).await;
        if direct && !listening {
            tracing::warn!(
                "LISTEN does not work on this connection, so the tail polls; \
                 set LISTEN_DATABASE_URL to a direct connection"
            );
        }
        self.start(&session, handle).await?;
        handle(Update::Up { listening }).await;
        let mut probed = Instant::now();
        let mut woken = true;
        loop {
            let found = self.catch_up(&session, handle).await?;
            if found && !woken && listening {
                tracing::warn!("a notification was lost, but the sweep found its events");
                metrics::counter!("tail_lost_notifications_total").increment(1);
            }
            let pause = if listening { SWEEP } else { POLL };
            woken = timeout(pause, session.woken()).await.is_ok();
            if session.is_closed() {
                return Err(StoreError::Connect("the connection was closed".into()));
            }
            if !listening && probed.elapsed() > SWEEP {
                if !direct {
                    return Ok(());
                }
                probed = Instant::now();
                listening = self.try_listen(&mut session).await;
                handle(Update::Up { listening }).await;
            }
        }
    }

    /// Tests whether LISTEN works in this session. If LISTEN works, the session also prepares the statement
    /// of its reads.
    async fn try_listen(&mut self, session: &mut Session) -> bool {
        let listens = session.receives_probe(&self.store).await;
        if listens
            && !self.cannot_prepare
            && let Err(error) = session.prepare().await
        {
            let error = chain(&error);
            tracing::warn!(error, "the tail's statement can't be prepared, so each read is planned again");
            self.cannot_prepare = true;
        }
        listens
    }

    /// Finds the id after which the tail starts. A tail that has read before continues after the last id that
    /// it read, unless there was a discontinuity.
    async fn start<F: Future<Output = ()>>(
        &mut self,
        session: &Session,
        handle: &mut impl FnMut(Update) -> F,
    ) -> Result<(), StoreError> {
        let ticker = Filter::all(Channel::devhub());
        let last = async |before, limit| {
            let order = Order::NewestFirst { before };
            let query = PageQuery::ticker(Some(&ticker), order, limit);
            session.page(&PageQuery { columns: Columns::Tail, ..query }).await
        };
        let Page { events: newest, marks, newest: head, .. } = last(None, 1).await?;
        let (pruned, empty) = (marks.highest(), newest.is_empty());
        let head = head.max(pruned);
        if self.head.is_some_and(|seen| pruned <= seen && seen <= head) {
            return Ok(());
        }
        let mut events = Vec::new();
        if self.recent > 0 {
            events = last(Some(head + 1), self.recent).await?.events;
            events.reverse();
        }
        (self.head, self.marks) = (Some(head), marks);
        handle(Update::Start { events, head, empty }).await;
        Ok(())
    }

    /// Reads all new events. Returns whether there were new events.
    async fn catch_up<F: Future<Output = ()>>(
        &mut self,
        session: &Session,
        handle: &mut impl FnMut(Update) -> F,
    ) -> Result<bool, StoreError> {
        let mut found = false;
        loop {
            let after = self.head.unwrap_or_default();
            let page = session.next(after).await;
            // If the server refuses the prepared statement, later sessions prepare no statement. The server
            // refuses it if a proxy delivers notifications, but sends the next statement to another server
            // session.
            self.cannot_prepare |= session.is_prepared() && page.as_ref().is_err_and(is_refusal);
            let page = page?;
            // This is true if rows were deleted before the tail had read them, or if the table was restored.
            let pruned = page.marks.highest();
            if pruned > after || page.newest.max(pruned) < after {
                self.start(session, handle).await?;
                continue;
            }
            if page.marks != self.marks {
                self.marks = page.marks.clone();
                handle(Update::Pruned(page.marks)).await;
            }
            let Some(last) = page.events.last() else { return Ok(found) };
            self.head = Some(last.id);
            found = true;
            handle(Update::Events(page.events)).await;
            if !page.more {
                return Ok(found);
            }
        }
    }
}

/// Whether the server refused the statement. False if the connection failed.
fn is_refusal(error: &StoreError) -> bool {
    matches!(error, StoreError::Postgres(error) if error.code().is_some())
}
