//! One client of the feed: a cursor, a filter, and the order in which it is told things.
//!
//! Replay, resume and recovery from lag are one path: take what the ring has after the cursor, or, when the cursor is
//! older than the ring, a page of the table.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::Frame;
use jiff::Timestamp;
use metrics::Gauge;
use oasis_core::Ts;
use oasis_service::random;
use oasis_service::response::{Body, boxed};
use oasis_store::{Filter, Store, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::catch_up::Stretch;
use crate::hub::{Hub, Mode, Pulse, Replay, SIMULATED_FIRST, State, Taken};
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
    /// When the next page of the table may be read. A timer takes a millisecond at the least, so none is set for the past.
    rested_at: Instant,
    /// When reading the table may be tried again after a failure.
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
            rested_at: Instant::now(),
            retry_at: None,
            left: false,
            _counted: Counted(gauge),
        }
    }

    /// The subscriber as a response's body.
    pub(crate) fn into_body(self) -> Body {
        // Boxed, because it moves in and out with every frame.
        boxed(StreamBody::new(unfold(Box::new(self), |mut this| async move {
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
                let _ = timeout_at(retry_at, self.pulse.wait_for(|pulse| pulse.state.closing)).await;
            }
            let state = self.pulse.borrow_and_update().state;
            if state.closing {
                self.left = true;
                // In waves, and back in waves: nothing comes down on the next instance all at once.
                sleep(LEAVE_WITHIN.mul_f64(random())).await;
                return Some(frames::goodbye(1_000 + (5_000.0 * random()) as u64));
            }
            let said = match self.begin {
                // Boxed, since most of their state is needed only now and then.
                Some(begin) => Box::pin(self.connect(begin, state)).await,
                None => self.follow(state).await,
            };
            match said {
                Ok(Some(bytes)) => return Some(bytes),
                Ok(None) => {
                    let round = self.pulse.borrow().round.clone();
                    // The hub outlives its subscribers, so a closed channel can't be.
                    let _ = self.pulse.changed().await;
                    drop(round);
                }
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
    async fn connect(&mut self, begin: Begin, state: State) -> Result<Option<Bytes>, Arc<StoreError>> {
        if state.mode == Mode::Starting {
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
            Begin::After(cursor) if cursor > state.head && cursor > self.store.head().await? => {
                let recent = self.recent().await?;
                Opening { gap: Some(frames::gap(cursor, recent.cursor, "reset")), ..recent }
            }
            Begin::After(cursor) => Opening { gap: None, replay: Bytes::new(), cursor, told: Some(cursor) },
            Begin::Since(since) => {
                let first = self.store.first_id_since(since).await?;
                let cursor = first.map_or(state.head, |id| id - 1);
                Opening { gap: None, replay: Bytes::new(), cursor, told: None }
            }
        };
        let Opening { gap, replay, cursor, told } = opening;
        let now = Ts::clamped(Timestamp::now());
        out.extend_from_slice(&frames::connected(now, state.mode, state.head.max(cursor)));
        out.extend_from_slice(&gap.unwrap_or_default());
        out.extend_from_slice(&replay);
        if state.mode == Mode::Mock {
            let numbers = state.simulated.saturating_sub(SIMULATED_FIRST - 1)..state.simulated + 1;
            out.extend_from_slice(&mock::frames(numbers, now, &self.filter));
        } else if told != Some(cursor) {
            // A reconnect must begin here, whatever was shown.
            out.extend_from_slice(&frames::cursor(cursor));
        }
        (self.mode, self.epoch) = (state.mode, state.epoch);
        (self.beat, self.simulated) = (state.beat, state.simulated);
        (self.cursor, self.told) = (cursor, cursor);
        self.begin = None;
        Ok(Some(out.freeze()))
    }

    /// What a connected client hears next, if there is anything.
    async fn follow(&mut self, state: State) -> Result<Option<Bytes>, Arc<StoreError>> {
        if state.epoch != self.epoch {
            self.epoch = state.epoch;
            if self.cursor > state.head && self.cursor > self.store.head().await? {
                let recent = Box::pin(self.recent()).await?;
                let mut out = BytesMut::from(&frames::gap(self.cursor, recent.cursor, "reset")[..]);
                out.extend_from_slice(&recent.replay);
                out.extend_from_slice(&frames::cursor(recent.cursor));
                (self.cursor, self.told) = (recent.cursor, recent.cursor);
                return Ok(Some(out.freeze()));
            }
        }
        if self.mode != state.mode {
            self.mode = state.mode;
            return Ok(Some(frames::mode(Ts::clamped(Timestamp::now()), state.mode)));
        }
        if self.beat != state.beat {
            self.beat = state.beat;
            let mut out = BytesMut::new();
            if self.told != self.cursor {
                self.told = self.cursor;
                out.extend_from_slice(&frames::cursor(self.cursor));
            }
            out.extend_from_slice(&self.pulse.borrow().heartbeat);
            return Ok(Some(out.freeze()));
        }
        if state.mode == Mode::Mock && self.simulated != state.simulated {
            let numbers =
                self.simulated.max(state.simulated.saturating_sub(SIMULATED_FIRST)) + 1..state.simulated + 1;
            self.simulated = state.simulated;
            let simulated = mock::frames(numbers, Ts::clamped(Timestamp::now()), &self.filter);
            if !simulated.is_empty() {
                return Ok(Some(simulated.into()));
            }
        }
        while self.cursor < state.head {
            let (frames, cursor) = match self.hub.take(self.cursor, &self.filter) {
                Taken::Frames(frames, cursor) => (frames, cursor),
                Taken::Behind(floor) => {
                    let read = async {
                        if self.rested_at > Instant::now() {
                            sleep_until(self.rested_at).await;
                        }
                        self.hub.catch_ups.read((self.epoch, self.cursor), floor, &self.filter).await
                    };
                    let Stretch { frames, cursor, rest } = Box::pin(read).await?;
                    self.rested_at = Instant::now() + rest;
                    (frames, cursor)
                }
            };
            if frames.is_empty() && cursor <= self.cursor {
                // The ring went back (a restored database); the pulse will say so.
                break;
            }
            self.cursor = cursor;
            if !frames.is_empty() {
                // A filter may have left out the last ones; the next heartbeat tells the cursor then.
                self.told = if self.filter.takes_the_ticker() { cursor } else { self.told };
                return Ok(Some(frames));
            }
        }
        Ok(None)
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
        Ok((self.hub.catch_ups.replay(head, &self.filter).await?, head))
    }
}
