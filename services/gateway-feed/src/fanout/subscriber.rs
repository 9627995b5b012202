//! One client of a stream: a cursor, what it wants, and the order in which it is sent things.
//!
//! Replay, resume and recovery from lag are one path: take what the topic's ring has after the cursor, or,
//! when the cursor is older than the ring, a stretch of the table.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::Frame;
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_service::random;
use oasis_service::response::{Body, boxed};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::ends::{CloseReason, Ending};
use super::frame;
use super::pulse::{Presence, Pulse, State};
use super::reads::{Cursor, ReadError, Stretch};
use super::ring::Taken;
use super::stream::{Fresh, GapReason, Stream};
use super::topic::Topic;
use super::topics::Topics;

/// Where a client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// As the stream begins for clients without a cursor.
    Fresh,
    /// After this id.
    After(i64),
    /// With the first row recorded then.
    Since(Timestamp),
}

/// How often a client hears something while the database is away.
const AWAY_COMMENT: Duration = Duration::from_secs(5);
/// The pause after a read that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Clients are sent away over this time, and come back over the next.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// See the head of this file.
pub(crate) struct Subscriber<S: Stream> {
    client: Client<S>,
    /// `None` for one that nothing but the shutdown ends.
    ending: Option<Ending>,
    ended: bool,
    _permit: S::Permit,
}

impl<S: Stream> Subscriber<S> {
    /// A client that may read.
    pub(crate) fn new(
        topics: &Arc<Topics<S>>,
        (topic, want, begin): (S::Topic, S::Want, Begin),
        permit: S::Permit,
        ending: Option<Ending>,
    ) -> Self {
        let topic = topics.join(topic);
        let client = Client {
            pulse: topic.subscribe(),
            topics: topics.clone(),
            topic,
            want,
            begin: Some(begin),
            cursor: 0,
            told: 0,
            presence: Presence::Unread,
            epoch: 0,
            beats: 0,
            ticks: 0,
            rested_at: Instant::now(),
            retry_at: None,
            ends: None,
        };
        Self { client, ending, ended: false, _permit: permit }
    }

    /// The subscriber as a response's body.
    pub(crate) fn into_body(self) -> Body {
        // Boxed, because it moves in and out with every frame.
        boxed(StreamBody::new(unfold(Box::new(self), |mut this| async move {
            let bytes = this.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), this))
        })))
    }

    /// The next bytes for the client; `None` at the end. Once its end is reached, nothing but the last frame
    /// follows.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let next = match &mut self.ending {
            None => self.client.next().await,
            Some(ending) => tokio::select! {
                biased;
                reason = ending.wait() => Next::Close(reason),
                next = self.client.next() => next,
            },
        };
        match next {
            Next::Frames(bytes) => Some(bytes),
            Next::Close(reason) => {
                self.ended = true;
                Some(self.client.topics.stream.close(reason, retry()))
            }
        }
    }
}

/// When a client that is sent away comes back: nothing comes down on the next instance all at once.
fn retry() -> u64 {
    1_000 + (5_000.0 * random()) as u64
}

/// What a client is sent next.
enum Next {
    Frames(Bytes),
    Close(CloseReason),
}

struct Client<S: Stream> {
    topics: Arc<Topics<S>>,
    topic: Arc<Topic<S>>,
    want: S::Want,
    pulse: watch::Receiver<Pulse>,
    /// `None` once connected.
    begin: Option<Begin>,
    /// Everything up to this id has been sent or passed over.
    cursor: i64,
    /// The last id that the client was told.
    told: i64,
    presence: Presence,
    epoch: u64,
    beats: u64,
    ticks: u64,
    /// When the table may be read again. No timer is set for a moment that has passed: a timer takes at least
    /// a millisecond.
    rested_at: Instant,
    /// When reading the table may be tried again after a failure.
    retry_at: Option<Instant>,
    /// The stream has ended behind what was sent.
    ends: Option<CloseReason>,
}

/// How a connection begins.
struct Opening {
    gap: Option<Bytes>,
    replay: Bytes,
    /// Everything up to this id is sent or passed over.
    cursor: i64,
    /// The last id that the client knows of.
    told: Option<i64>,
    ends: Option<CloseReason>,
}

impl<S: Stream> Client<S> {
    async fn next(&mut self) -> Next {
        loop {
            if let Some(reason) = self.ends {
                return Next::Close(reason);
            }
            if let Some(retry_at) = self.retry_at.take() {
                // Only the shutdown may come first; an error of the channel would mean the same.
                let _ = timeout_at(retry_at, self.pulse.wait_for(|pulse| pulse.state.closing)).await;
            }
            let state = self.pulse.borrow_and_update().state;
            if state.closing {
                // Clients leave in waves.
                sleep(LEAVE_WITHIN.mul_f64(random())).await;
                return Next::Close(CloseReason::Shutdown);
            }
            let sent = match self.begin {
                // Boxed, since most of their state is needed only now and then.
                Some(begin) => Box::pin(self.connect(begin, state)).await,
                None => self.follow(state).await,
            };
            match sent {
                Ok(Some(bytes)) => return Next::Frames(bytes),
                Ok(None) if self.ends.is_some() => {}
                Ok(None) => {
                    let share = self.pulse.borrow().share.clone();
                    // The topic is held, so a closed channel can't be.
                    let _ = self.pulse.changed().await;
                    drop(share);
                    self.topic.woken();
                }
                Err(error) => {
                    tracing::debug!(%error, "a subscriber can't read the table");
                    self.retry_at = Some(Instant::now() + RETRY);
                    if self.begin.is_some() {
                        return Next::Frames(frame::comment("waiting for the database"));
                    }
                }
            }
        }
    }

    /// The first thing a client hears, once there is something to read.
    async fn connect(&mut self, begin: Begin, state: State) -> Result<Option<Bytes>, ReadError> {
        if state.presence == Presence::Unread {
            // Comments for as long as it takes, the first at once; each is followed by a wait.
            return match std::mem::replace(&mut self.beats, 1) {
                0 => Ok(Some(frame::comment("waiting for the database"))),
                _ if timeout(AWAY_COMMENT, self.pulse.changed()).await.is_err() => {
                    Ok(Some(frame::comment("waiting for the database")))
                }
                _ => {
                    // The change has not been handled yet, and no other may follow for a while.
                    self.pulse.mark_changed();
                    Ok(None)
                }
            };
        }
        let head = self.topics.state().head;
        let opening = match begin {
            Begin::Fresh => self.fresh().await?,
            Begin::After(cursor) if cursor > head && cursor > self.topics.reads.head().await? => {
                self.reset(cursor).await?
            }
            Begin::After(cursor) => {
                Opening { gap: None, replay: Bytes::new(), cursor, told: Some(cursor), ends: None }
            }
            Begin::Since(since) => {
                let cursor = self.topics.reads.cursor_since(S::FAMILY, since, head).await?;
                Opening { gap: None, replay: Bytes::new(), cursor, told: None, ends: None }
            }
        };
        let Opening { gap, replay, cursor, told, ends } = opening;
        let now = Ts::clamped(Timestamp::now());
        let stream = &self.topics.stream;
        let greeting =
            stream.greeting(&self.topic.key, now, state.presence, self.topics.routed().max(cursor));
        let mut out = BytesMut::from(&greeting[..]);
        out.extend_from_slice(&gap.unwrap_or_default());
        out.extend_from_slice(&replay);
        if state.presence == Presence::Empty {
            out.extend_from_slice(&stream.while_empty(None, state.ticks, now, &self.want));
        } else if told != Some(cursor) {
            // A reconnect must begin here, whatever was shown.
            out.extend_from_slice(&frame::cursor(cursor));
        }
        (self.presence, self.epoch) = (state.presence, state.epoch);
        (self.beats, self.ticks) = (state.beats, state.ticks);
        (self.cursor, self.told, self.ends) = (cursor, cursor, ends);
        self.begin = None;
        Ok(Some(out.freeze()))
    }

    /// What a connected client hears next, if there is anything.
    async fn follow(&mut self, state: State) -> Result<Option<Bytes>, ReadError> {
        // The head may have passed the cursor again since the table went back.
        let of_another_table = state.epoch != self.epoch
            && self.topics.back_since(self.epoch).is_some_and(|head| head < self.cursor);
        if self.presence != state.presence {
            self.presence = state.presence;
            let filled = self.topics.stream.filled(Ts::clamped(Timestamp::now()));
            if !filled.is_empty() {
                return Ok(Some(filled));
            }
        }
        // Before anything that reads the table: the client hears something while it is away.
        if self.beats != state.beats {
            self.beats = state.beats;
            let mut out = BytesMut::new();
            if !of_another_table {
                self.pass_over(state);
                if self.told != self.cursor {
                    self.told = self.cursor;
                    out.extend_from_slice(&self.topics.stream.cursor(self.cursor));
                }
            }
            out.extend_from_slice(&self.pulse.borrow().heartbeat);
            return Ok(Some(out.freeze()));
        }
        if of_another_table {
            let reset = Box::pin(self.reset(self.cursor)).await?;
            self.epoch = state.epoch;
            let mut out = BytesMut::from(&reset.gap.unwrap_or_default()[..]);
            out.extend_from_slice(&reset.replay);
            out.extend_from_slice(&frame::cursor(reset.cursor));
            (self.cursor, self.told, self.ends) = (reset.cursor, reset.cursor, reset.ends);
            return Ok(Some(out.freeze()));
        }
        self.epoch = state.epoch;
        if state.presence == Presence::Empty && self.ticks != state.ticks {
            let after = std::mem::replace(&mut self.ticks, state.ticks);
            let now = Ts::clamped(Timestamp::now());
            let shown = self.topics.stream.while_empty(Some(after), state.ticks, now, &self.want);
            if !shown.is_empty() {
                return Ok(Some(shown));
            }
        }
        self.rows(state).await
    }

    /// Passes over what is not wanted, as far as the ring tells, so that a heartbeat has a recent cursor.
    fn pass_over(&mut self, state: State) {
        while self.cursor < state.head {
            match self.topic.take(self.cursor, &self.want) {
                Taken::Frames { frames, cursor, ends: None } if frames.is_empty() && cursor > self.cursor => {
                    self.cursor = cursor;
                }
                Taken::Frames { .. } | Taken::Behind(_) => return,
            }
        }
    }

    /// The next rows that are wanted, up to the topic's head.
    async fn rows(&mut self, state: State) -> Result<Option<Bytes>, ReadError> {
        while self.cursor < state.head {
            let (frames, cursor, ends) = match self.topic.take(self.cursor, &self.want) {
                Taken::Frames { frames, cursor, ends } => (frames, cursor, ends),
                Taken::Behind(floor) => Box::pin(self.stretch(floor)).await?,
            };
            if frames.is_empty() && cursor <= self.cursor {
                // The ring went back (a restored database); the pulse will say so.
                break;
            }
            (self.cursor, self.ends) = (cursor, ends);
            if !frames.is_empty() {
                // A filter may have left out the last ones; the next heartbeat tells the cursor then.
                self.told = if S::wants_all(&self.want) { cursor } else { self.told };
                return Ok(Some(frames));
            }
            if ends.is_some() {
                break;
            }
        }
        Ok(None)
    }

    /// A stretch of the table up to the floor of the ring.
    async fn stretch(&mut self, floor: i64) -> Result<(Bytes, i64, Option<CloseReason>), ReadError> {
        if self.rested_at > Instant::now() {
            sleep_until(self.rested_at).await;
        }
        let cursor = Cursor { topic: self.topic.id, epoch: self.epoch, after: self.cursor };
        let stream = &self.topics.stream;
        let read = self.topics.reads.stretch(stream, &self.topic.key, &self.want, cursor, floor);
        let Stretch { frames, cursor, ends, rest } = read.await?;
        self.rested_at = Instant::now() + rest;
        Ok((frames, cursor, ends))
    }

    /// The cursor is of another table.
    async fn reset(&self, from: i64) -> Result<Opening, ReadError> {
        let fresh = self.fresh().await?;
        let gap = self.topics.stream.gap(from, fresh.cursor, GapReason::Reset);
        Ok(Opening { gap: Some(gap), ..fresh })
    }

    /// Begins as the stream has it.
    async fn fresh(&self) -> Result<Opening, ReadError> {
        // Read before the ring: every row up to it is in the ring by then.
        let routed = self.topics.routed();
        let stream = &self.topics.stream;
        match stream.fresh(&self.want) {
            Fresh::Live => {
                let cursor = routed.max(self.topic.state().head);
                Ok(Opening { gap: None, replay: Bytes::new(), cursor, told: None, ends: None })
            }
            Fresh::Last(most) => {
                let (last, head) = self.topic.last(most, &self.want);
                let cursor = routed.max(head);
                let last = match last {
                    Some(last) => last,
                    None => {
                        let reads = &self.topics.reads;
                        reads.last(stream, &self.topic.key, &self.want, (cursor, most)).await?
                    }
                };
                Ok(Opening { gap: None, replay: last.frames, cursor, told: last.id, ends: last.ends })
            }
        }
    }
}
