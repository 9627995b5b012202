//! One client of the feed: a cursor, a filter, and the order in which it is told things.
//!
//! Replay, resume and recovery from lag are one path: take what the ring has after the cursor, or, when the cursor is
//! older than the ring, a page of the table.

use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::Frame;
use jiff::Timestamp;
use metrics::Gauge;
use oasis_core::Ts;
use oasis_service::response::{Body, boxed};
use oasis_store::{Filter, Order, PageQuery, Store, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::hub::{Hub, Mode, Pulse, REPLAY, Replay, SIMULATED_FIRST, Taken};
use crate::{frames, mock};

/// Where a client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With the last events.
    Recent,
    /// After this id.
    After(i64),
    /// With the first event recorded then.
    Since(Timestamp),
}

/// Events of one read from the table.
const CATCH_UP_PAGE: i64 = 200;
/// How often a client hears something while the database is away.
const AWAY_COMMENT: Duration = Duration::from_secs(5);
/// Clients are sent away over this time, and come back over the next.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

pub(crate) struct Subscriber {
    hub: Arc<Hub>,
    store: Store,
    filter: Filter,
    pulse: watch::Receiver<Pulse>,
    /// `None` once connected.
    begin: Option<Begin>,
    /// Everything up to this id has been sent or passed over.
    cursor: i64,
    /// The last id that the client was told.
    told: i64,
    mode: Mode,
    epoch: u64,
    beat: u64,
    simulated: u64,
    /// When reading the table may be tried again.
    retry_at: Option<Instant>,
    left: bool,
    _counted: Counted,
}

/// How a connection begins.
struct Opening {
    gap: Option<Bytes>,
    replay: Bytes,
    /// Everything up to this id is sent or passed over.
    cursor: i64,
    /// The last id that the client knows of.
    told: Option<i64>,
}

/// Counts the subscriber for as long as it lives.
struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Subscriber {
    pub(crate) fn new(hub: Arc<Hub>, store: Store, filter: Filter, begin: Begin) -> Self {
        let pulse = hub.subscribe();
        let gauge = metrics::gauge!("feed_subscribers");
        gauge.increment(1.0);
        Self {
            pulse,
            hub,
            store,
            filter,
            begin: Some(begin),
            cursor: 0,
            told: 0,
            mode: Mode::Starting,
            epoch: 0,
            beat: 0,
            simulated: 0,
            retry_at: None,
            left: false,
            _counted: Counted(gauge),
        }
    }

    /// The subscriber as a response's body.
    pub(crate) fn into_body(self) -> Body {
        boxed(StreamBody::new(unfold(self, |mut this| async move {
            let bytes = this.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), this))
        })))
    }

    /// The next bytes for the client; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.left {
                return None;
            }
            if let Some(retry_at) = self.retry_at.take() {
                // Only the shutdown may come first; an error of the channel would mean the same.
                let _ = timeout_at(retry_at, self.pulse.wait_for(|pulse| pulse.closing)).await;
            }
            let pulse = self.pulse.borrow_and_update().clone();
            if pulse.closing {
                self.left = true;
                // In waves, and back in waves: nothing comes down on the next instance all at once.
                sleep(LEAVE_WITHIN.mul_f64(random())).await;
                return Some(frames::goodbye(1_000 + (5_000.0 * random()) as u64));
            }
            let said = match self.begin {
                // Boxed, since most of their state is needed only now and then.
                Some(begin) => Box::pin(self.connect(begin, &pulse)).await,
                None => self.follow(&pulse).await,
            };
            match said {
                Ok(Some(bytes)) => return Some(bytes),
                // The hub outlives its subscribers, so a closed channel can't be.
                Ok(None) => drop(self.pulse.changed().await),
                Err(error) => {
                    tracing::debug!(%error, "a subscriber can't read the table");
                    self.retry_at = Some(Instant::now() + Duration::from_secs(1));
                    if self.begin.is_some() {
                        return Some(frames::comment("waiting for the database"));
                    }
                }
            }
        }
    }

    /// The first thing a client hears, once there is something to read.
    async fn connect(&mut self, begin: Begin, pulse: &Pulse) -> Result<Option<Bytes>, StoreError> {
        if pulse.mode == Mode::Starting {
            // Comments for as long as it takes, the first at once; each is followed by a wait.
            return match std::mem::replace(&mut self.beat, 1) {
                0 => Ok(Some(frames::comment("waiting for the database"))),
                _ if timeout(AWAY_COMMENT, self.pulse.changed()).await.is_err() => {
                    Ok(Some(frames::comment("waiting for the database")))
                }
                _ => {
                    // What changed is still to be looked at, and nothing else may come for a while.
                    self.pulse.mark_changed();
                    Ok(None)
                }
            };
        }
        let mut out = BytesMut::new();
        let opening = match begin {
            Begin::Recent => self.recent().await?,
            Begin::After(cursor) if cursor > pulse.head && cursor > self.store.head().await? => {
                let recent = self.recent().await?;
                Opening { gap: Some(frames::gap(cursor, recent.cursor, "reset")), ..recent }
            }
            Begin::After(cursor) => Opening { gap: None, replay: Bytes::new(), cursor, told: Some(cursor) },
            Begin::Since(since) => {
                let first = self.store.first_id_since(since).await?;
                let cursor = first.map_or(pulse.head, |id| id - 1);
                Opening { gap: None, replay: Bytes::new(), cursor, told: None }
            }
        };
        let Opening { gap, replay, cursor, told } = opening;
        let now = Ts::clamped(Timestamp::now());
        out.extend_from_slice(&frames::connected(now, pulse.mode, pulse.head.max(cursor)));
        out.extend_from_slice(&gap.unwrap_or_default());
        out.extend_from_slice(&replay);
        if pulse.mode == Mode::Mock {
            let numbers = pulse.simulated.saturating_sub(SIMULATED_FIRST - 1)..pulse.simulated + 1;
            out.extend_from_slice(&mock::frames(numbers, now, &self.filter));
        } else if told != Some(cursor) {
            // A reconnect must begin here, whatever was shown.
            out.extend_from_slice(&frames::cursor(cursor));
        }
        (self.mode, self.epoch) = (pulse.mode, pulse.epoch);
        (self.beat, self.simulated) = (pulse.beat, pulse.simulated);
        (self.cursor, self.told) = (cursor, cursor);
        self.begin = None;
        Ok(Some(out.freeze()))
    }

    /// What a connected client hears next, if there is anything.
    async fn follow(&mut self, pulse: &Pulse) -> Result<Option<Bytes>, StoreError> {
        if pulse.epoch != self.epoch {
            self.epoch = pulse.epoch;
            if self.cursor > pulse.head && self.cursor > self.store.head().await? {
                let recent = Box::pin(self.recent()).await?;
                let mut out = BytesMut::from(&frames::gap(self.cursor, recent.cursor, "reset")[..]);
                out.extend_from_slice(&recent.replay);
                out.extend_from_slice(&frames::cursor(recent.cursor));
                (self.cursor, self.told) = (recent.cursor, recent.cursor);
                return Ok(Some(out.freeze()));
            }
        }
        if self.mode != pulse.mode {
            self.mode = pulse.mode;
            return Ok(Some(frames::mode(Ts::clamped(Timestamp::now()), pulse.mode)));
        }
        if self.beat != pulse.beat {
            self.beat = pulse.beat;
            let mut out = BytesMut::new();
            if self.told != self.cursor {
                self.told = self.cursor;
                out.extend_from_slice(&frames::cursor(self.cursor));
            }
            out.extend_from_slice(&pulse.heartbeat);
            return Ok(Some(out.freeze()));
        }
        if pulse.mode == Mode::Mock && self.simulated != pulse.simulated {
            let numbers =
                self.simulated.max(pulse.simulated.saturating_sub(SIMULATED_FIRST)) + 1..pulse.simulated + 1;
            self.simulated = pulse.simulated;
            let simulated = mock::frames(numbers, Ts::clamped(Timestamp::now()), &self.filter);
            if !simulated.is_empty() {
                return Ok(Some(simulated.into()));
            }
        }
        while self.cursor < pulse.head {
            let (frames, cursor) = match self.hub.take(self.cursor, &self.filter) {
                Taken::Frames(frames, cursor) => (frames, cursor),
                Taken::Behind(floor) => Box::pin(self.catch_up(floor)).await?,
            };
            if frames.is_empty() && cursor <= self.cursor {
                // The ring went back (a restored database); the pulse will say so.
                break;
            }
            self.cursor = cursor;
            if !frames.is_empty() {
                // A filter may have left out the last ones; the next heartbeat tells the cursor then.
                self.told = if self.filter.is_open() { cursor } else { self.told };
                return Ok(Some(frames));
            }
        }
        Ok(None)
    }

    /// A page of the table after the cursor, up to where the ring begins.
    async fn catch_up(&self, floor: i64) -> Result<(Bytes, i64), StoreError> {
        // The semaphore is never closed.
        let _permit = self.hub.catch_ups.acquire().await.ok();
        let order = Order::OldestFirst { after: self.cursor, upto: floor };
        let page = self.store.page(&self.page(order, CATCH_UP_PAGE)).await?;
        let mut out = Vec::with_capacity(page.events.len() * 384 + 96);
        if page.pruned_through > self.cursor {
            out.extend_from_slice(&frames::gap(self.cursor, page.pruned_through, "pruned"));
        }
        page.events.iter().for_each(|event| frames::event(&mut out, event));
        let cursor = match page.events.last() {
            Some(last) if page.events.len() as i64 == CATCH_UP_PAGE => last.id,
            _ => floor.max(page.pruned_through),
        };
        if !out.is_empty() && page.events.last().is_none_or(|last| last.id != cursor) {
            // The frames tell ids only of what passed the filter; the client's cursor must come along.
            out.extend_from_slice(&frames::cursor(cursor));
        }
        Ok((out.into(), cursor))
    }

    /// Begins with the last events that pass the filter.
    async fn recent(&self) -> Result<Opening, StoreError> {
        let (replay, cursor) = self.replay().await?;
        Ok(Opening { gap: None, replay: replay.frames, cursor, told: replay.last })
    }

    /// The last events that pass the filter, and the id that they go up to.
    async fn replay(&self) -> Result<(Replay, i64), StoreError> {
        let (replay, head) = self.hub.replay(&self.filter);
        if let Some(replay) = replay {
            return Ok((replay, head));
        }
        // The semaphore is never closed.
        let _permit = self.hub.catch_ups.acquire().await.ok();
        let order = Order::NewestFirst { before: Some(head + 1) };
        let page = self.store.page(&self.page(order, REPLAY as i64)).await?;
        let mut out = Vec::new();
        page.events.iter().rev().for_each(|event| frames::event(&mut out, event));
        Ok((Replay { frames: out.into(), last: page.events.first().map(|event| event.id) }, head))
    }

    fn page(&self, order: Order, limit: i64) -> PageQuery<'_> {
        PageQuery::ticker(Some(&self.filter), order, limit)
    }
}

/// A number from 0 to 1, for spreading only.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
