//! Follows the table. A tail reads every committed event once, in id order. NOTIFY wakes the tail.
//!
//! A tail listens and reads on one connection, which nothing else uses. A standby refuses LISTEN, and a
//! transaction pooler accepts LISTEN, but delivers no notifications. So LISTEN counts as working only after
//! this session has received a test notification from another session. Until then, the tail polls the table
//! every 2 s.
//! When LISTEN works, the tail still reads the table once a minute. This sweep detects a dead connection, and
//! it finds events without a notification. After such events, the tail polls too (see `tail/wakeups.rs`).

use std::future::ready;
use std::time::Duration;

use oasis_core::{Channel, chain};
use tokio::time::{Instant, sleep, timeout};

use self::session::Session;
use self::wakeups::{POLL, Wakeups};
use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::filter::Filter;
use crate::marks::Marks;
use crate::page::{Columns, Order, Page, PageQuery};
use crate::store::Store;

mod session;
mod wakeups;

pub use self::wakeups::WhyPoll;

/// The time between two reads of the table when no notification arrives.
const SWEEP: Duration = Duration::from_secs(60);

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
        /// Why the tail polls. `None` if notifications wake the tail.
        polls: Option<WhyPoll>,
    },
    /// The database can't be reached. The tail keeps trying.
    Down(String),
}

/// A follower of the table. See [`Tail::run`].
pub struct Tail {
    store: Store,
    recent: i64,
    sweep: Duration,
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
        Self { store, recent: 0, sweep: SWEEP, head: None, marks: Marks::default(), cannot_prepare: false }
    }

    /// Makes the tail start with the last `recent` events of the ticker. By default, the tail starts with no
    /// events.
    #[must_use]
    pub fn recent(mut self, recent: u16) -> Self {
        self.recent = i64::from(recent);
        self
    }

    /// Sets the time between two reads of the table when no notification arrives. The default is a minute.
    #[must_use]
    pub fn sweep(mut self, sweep: Duration) -> Self {
        self.sweep = sweep;
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
        let args = self.store.args.clone();
        let (mut session, unreachable) = match Session::open(&self.store, args.listen_url()).await {
            Ok(session) => (session, None),
            Err(error) if args.has_listen_url() => {
                let session = Session::open(&self.store, &args.database_url).await?;
                (session, Some(WhyPoll::NotDirect(chain(&error))))
            }
            Err(error) => return Err(error),
        };
        let tested = match unreachable {
            Some(why) => Err(why),
            None => self.test_listen(&mut session).await?,
        };
        let mut wakeups = Wakeups::new(tested, self.sweep, Instant::now());
        self.start(&session, handle).await?;
        log_change(None, wakeups.polls());
        handle(Update::Up { polls: wakeups.polls().cloned() }).await;
        let mut was_woken = true;
        loop {
            let found = self.catch_up(&session, handle).await?;
            let before = wakeups.polls().cloned();
            wakeups.observe(was_woken, found, Instant::now());
            if wakeups.is_test_due(Instant::now()) {
                // The next session tries the direct connection again.
                if matches!(before, Some(WhyPoll::NotDirect(_))) {
                    return Ok(());
                }
                let tested = self.test_listen(&mut session).await?;
                wakeups.tested(tested, Instant::now());
            }
            if before.as_ref() != wakeups.polls() {
                log_change(before.as_ref(), wakeups.polls());
                handle(Update::Up { polls: wakeups.polls().cloned() }).await;
            }
            was_woken = timeout(wakeups.pause(), session.woken()).await.is_ok();
            if session.is_closed() {
                return Err(StoreError::Connect("the connection was closed".into()));
            }
        }
    }

    /// Sends LISTEN, and tests whether it works. If it works, the session also prepares the statement of its
    /// reads.
    async fn test_listen(&mut self, session: &mut Session) -> Result<Result<(), WhyPoll>, StoreError> {
        let tested = session.listen(&self.store).await?;
        if tested.is_ok()
            && !self.cannot_prepare
            && !session.is_prepared()
            && let Err(error) = session.prepare().await
        {
            let error = chain(&error);
            tracing::warn!(error, "the tail's statement can't be prepared, so each read is planned again");
            self.cannot_prepare = true;
        }
        Ok(tested)
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
            self.cannot_prepare |= session.is_prepared() && page.as_ref().is_err_and(StoreError::is_refusal);
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

/// Logs that the tail starts or stops polling. Within one session, nothing is logged if the kind of reason
/// has not changed.
fn log_change(before: Option<&WhyPoll>, now: Option<&WhyPoll>) {
    match (before, now) {
        (Some(before), Some(now)) if std::mem::discriminant(before) == std::mem::discriminant(now) => {}
        (_, Some(why)) => {
            tracing::warn!(%why, "the tail polls the table every {} s", POLL.as_secs());
            if *why == WhyPoll::Unannounced {
                metrics::counter!("tail_lost_notifications_total").increment(1);
            }
        }
        (Some(_), None) => tracing::info!("LISTEN works now, so the tail no longer polls"),
        (None, None) => {}
    }
}
