//! Following the table: every committed event once, in id order, woken by NOTIFY.
//!
//! One connection of its own LISTENs and reads. LISTEN counts as working only once this session has heard a
//! NOTIFY that another one sent (a transaction pooler accepts LISTEN and delivers nothing); until then the
//! table is polled every 2 s. A sweep a minute covers a notification that got lost, and tells a dead
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

/// How often the table is read when nothing is heard.
const SWEEP: Duration = Duration::from_secs(60);
/// How often it is read when nothing can be heard.
const POLL: Duration = Duration::from_secs(2);

/// What a tail tells its handler.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Where the tail begins, at first and after a discontinuity: a restored database has a lower head than
    /// was seen, or rows that were not read have been pruned. Nothing before `events` is known to the
    /// handler any more.
    Start {
        /// The last events of the ticker up to `head`, oldest first.
        events: Vec<StoredEvent>,
        /// The id after which the tail goes on, over all channels; what has been pruned counts.
        head: i64,
        /// Whether the table holds no event of the ticker.
        empty: bool,
    },
    /// The next events of all channels, in id order. Never empty. Here and in `Start` those have their
    /// `meta` that [`Columns::Tail`] names.
    Events(Vec<StoredEvent>),
    /// Of each family, everything up to its mark has been deleted and must not be shown any more.
    Pruned(Marks),
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
    marks: Marks,
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
        Self { store, recent: 0, head: None, marks: Marks::default(), plain: false }
    }

    /// Begin with the last `recent` events of the ticker instead of at the head.
    #[must_use]
    pub fn recent(mut self, recent: u16) -> Self {
        self.recent = i64::from(recent);
        self
    }

    /// Follows the table until the future is dropped, reconnecting for ever, and tells `handle` what it
    /// reads.
    pub async fn run(self, mut handle: impl FnMut(Update)) {
        self.run_async(|update| {
            handle(update);
            ready(())
        })
        .await;
    }

    /// Like [`Tail::run`]; nothing more is read until `handle` is done, so what it can't take yet waits in
    /// the table.
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
            woken = timeout(pause, session.woken()).await.is_ok();
            if session.is_closed() {
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
            self.plain |= session.is_prepared() && page.as_ref().is_err_and(is_refusal);
            let page = page?;
            // Rows that were never read have been deleted, or this is not the table that was being read.
            let pruned = page.marks.highest();
            if pruned > after || page.newest.max(pruned) < after {
                self.start(session, handle).await?;
                continue;
            }
            if page.marks != self.marks {
                self.marks = page.marks.clone();
                handle(Update::Pruned(page.marks)).await;
            }
            let Some(last) = page.events.last() else { return Ok(any) };
            self.head = Some(last.id);
            any = true;
            handle(Update::Events(page.events)).await;
            if !page.more {
                return Ok(any);
            }
        }
    }
}

/// Whether the server answered, and refused.
fn is_refusal(error: &StoreError) -> bool {
    matches!(error, StoreError::Postgres(error) if error.code().is_some())
}
