//! Serves one client of a stream: keeps its cursor and its filter, and decides which frames it is sent
//! next.
//!
//! A client that resumes and a client that lags are served in the same way. They get the rows after their
//! cursor from the topic's ring or, if the cursor is older than the ring, from the table. A client without
//! a cursor begins with a replay, and is then served in the same way.

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
    /// Without a cursor: see [`Stream::fresh`].
    Fresh,
    /// After this id.
    After(i64),
    /// With the first row recorded at or after this time.
    Since(Timestamp),
}

/// How often a client is sent a comment while the table has not been read yet.
const AWAY_COMMENT: Duration = Duration::from_secs(5);
/// The pause after a failed read.
const RETRY: Duration = Duration::from_secs(1);
/// At shutdown, the stream of each client ends at a random time within this period.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// See the head of this file.
pub(crate) struct Subscriber<S: Stream> {
    client: Client<S>,
    /// `None` for a subscriber without a deadline and without a subject.
    ending: Option<Ending>,
    ended: bool,
    _permit: S::Permit,
}

impl<S: Stream> Subscriber<S> {
    /// A subscriber for a client that may read.
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
            known: 0,
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

    /// The subscriber as the body of a response.
    pub(crate) fn into_body(self) -> Body {
        // Boxed, because `unfold` moves the subscriber with every frame.
        boxed(StreamBody::new(unfold(Box::new(self), |mut this| async move {
            let bytes = this.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), this))
        })))
    }

    /// The next bytes for the client; `None` after the last frame. Once the subscriber's own end has come,
    /// only the last frame follows.
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

/// How many milliseconds a client should wait after the last frame before it reconnects. The time is
/// random, so that the next instance does not get all clients at once.
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
    /// Where to begin; `None` once connected.
    begin: Option<Begin>,
    /// Every row up to this id has been sent or passed over.
    cursor: i64,
    /// The cursor that the client knows: the last id that the client sent or received.
    known: i64,
    presence: Presence,
    epoch: u64,
    beats: u64,
    ticks: u64,
    /// When the table may be read again. No timer is set for a moment that has passed, because any timer
    /// takes at least a millisecond.
    rested_at: Instant,
    /// When to read the table again after a failure.
    retry_at: Option<Instant>,
    /// Why the stream ends after the rows that were sent, if it does.
    ends: Option<CloseReason>,
}

/// How a connection begins.
struct Opening {
    gap: Option<Bytes>,
    replay: Bytes,
    /// Every row up to this id is in the replay, or has been passed over.
    cursor: i64,
    /// The cursor that the client has once it has the replay.
    known: Option<i64>,
    /// Why the stream ends after the replay, if it does.
    ends: Option<CloseReason>,
}

impl<S: Stream> Client<S> {
    async fn next(&mut self) -> Next {
        loop {
            if let Some(reason) = self.ends {
                return Next::Close(reason);
            }
            if let Some(retry_at) = self.retry_at.take() {
                // Only the shutdown cuts the pause short. A closed channel would mean a shutdown, too.
                let _ = timeout_at(retry_at, self.pulse.wait_for(|pulse| pulse.state.closing)).await;
            }
            let state = self.pulse.borrow_and_update().state;
            if state.closing {
                // The streams of the clients end one after another.
                sleep(LEAVE_WITHIN.mul_f64(random())).await;
                return Next::Close(CloseReason::Shutdown);
            }
            let sent = match self.begin {
                // Boxed, so that a subscriber does not keep the space of a future that it needs only at its
                // start.
                Some(begin) => Box::pin(self.connect(begin, state)).await,
                None => self.follow(state).await,
            };
            match sent {
                Ok(Some(bytes)) => return Next::Frames(bytes),
                Ok(None) if self.ends.is_some() => {}
                Ok(None) => {
                    let share = self.pulse.borrow().share.clone();
                    // The sender lives as long as the topic, which this client holds. So the channel is not
                    // closed.
                    let _ = self.pulse.changed().await;
                    drop(share);
                    self.topic.woken();
                }
                Err(error) => {
                    tracing::debug!(%error, "a subscriber cannot read the table and will try again");
                    self.retry_at = Some(Instant::now() + RETRY);
                    if self.begin.is_some() {
                        return Next::Frames(frame::comment("waiting for the database"));
                    }
                }
            }
        }
    }

    /// The first frames, once there is something to read.
    async fn connect(&mut self, begin: Begin, state: State) -> Result<Option<Bytes>, ReadError> {
        if state.presence == Presence::Unread {
            // Until the table has been read, the client gets comments: the first at once, and each later
            // comment after a wait. Until then, `beats` only records that the first comment was sent.
            return match std::mem::replace(&mut self.beats, 1) {
                0 => Ok(Some(frame::comment("waiting for the database"))),
                _ if timeout(AWAY_COMMENT, self.pulse.changed()).await.is_err() => {
                    Ok(Some(frame::comment("waiting for the database")))
                }
                _ => {
                    // This change of the pulse has not been handled yet, and the next change may come much
                    // later.
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
                Opening { gap: None, replay: Bytes::new(), cursor, known: Some(cursor), ends: None }
            }
            Begin::Since(since) => {
                let cursor = self.topics.reads.cursor_since(S::FAMILY, since, head).await?;
                Opening { gap: None, replay: Bytes::new(), cursor, known: None, ends: None }
            }
        };
        let Opening { gap, replay, cursor, known, ends } = opening;
        let now = Ts::clamped(Timestamp::now());
        let stream = &self.topics.stream;
        let greeting =
            stream.greeting(&self.topic.key, now, state.presence, self.topics.routed().max(cursor));
        let mut out = BytesMut::from(&greeting[..]);
        out.extend_from_slice(&gap.unwrap_or_default());
        out.extend_from_slice(&replay);
        if state.presence == Presence::Empty {
            out.extend_from_slice(&stream.while_empty(None, state.ticks, now, &self.want));
        } else if known != Some(cursor) {
            // A client that reconnects must begin at this cursor, whichever rows it was shown.
            out.extend_from_slice(&frame::cursor(cursor));
        }
        (self.presence, self.epoch) = (state.presence, state.epoch);
        (self.beats, self.ticks) = (state.beats, state.ticks);
        (self.cursor, self.known, self.ends) = (cursor, cursor, ends);
        self.begin = None;
        Ok(Some(out.freeze()))
    }

    /// The next frames of a connected client; `None` if there are none.
    async fn follow(&mut self, state: State) -> Result<Option<Bytes>, ReadError> {
        // The lowest head since `self.epoch` counts, and not the current head. A restored table may have
        // grown past the cursor.
        let of_another_table = state.epoch != self.epoch
            && self.topics.rewound_since(self.epoch).is_some_and(|head| head < self.cursor);
        if self.presence != state.presence {
            self.presence = state.presence;
            let filled = self.topics.stream.filled(Ts::clamped(Timestamp::now()));
            if !filled.is_empty() {
                return Ok(Some(filled));
            }
        }
        // This comes before anything that reads the table, so that the client gets heartbeats while the
        // database is away.
        if self.beats != state.beats {
            self.beats = state.beats;
            let mut out = BytesMut::new();
            if !of_another_table {
                self.pass_over(state);
                if self.known != self.cursor {
                    self.known = self.cursor;
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
            (self.cursor, self.known, self.ends) = (reset.cursor, reset.cursor, reset.ends);
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

    /// Moves the cursor past rows that are not wanted, as far as the ring goes, so that a heartbeat sends a
    /// recent cursor.
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

    /// The next wanted rows, up to the topic's head.
    async fn rows(&mut self, state: State) -> Result<Option<Bytes>, ReadError> {
        while self.cursor < state.head {
            let (frames, cursor, ends) = match self.topic.take(self.cursor, &self.want) {
                Taken::Frames { frames, cursor, ends } => (frames, cursor, ends),
                Taken::Behind(floor) => Box::pin(self.stretch(floor)).await?,
            };
            if frames.is_empty() && cursor <= self.cursor {
                // The ring was replaced by a ring with a lower head, because the database was restored. The
                // pulse will report that.
                break;
            }
            (self.cursor, self.ends) = (cursor, ends);
            if !frames.is_empty() {
                // The filter may not have matched the last rows. Then the next heartbeat sends the cursor.
                self.known = if S::wants_all(&self.want) { cursor } else { self.known };
                return Ok(Some(frames));
            }
            if ends.is_some() {
                break;
            }
        }
        Ok(None)
    }

    /// Reads a stretch of the table, up to the floor of the ring.
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

    /// Begins again with a gap, because the cursor `from` belongs to another table.
    async fn reset(&self, from: i64) -> Result<Opening, ReadError> {
        let fresh = self.fresh().await?;
        let gap = self.topics.stream.gap(from, fresh.cursor, GapReason::Reset);
        Ok(Opening { gap: Some(gap), ..fresh })
    }

    /// Begins without a cursor, as the stream prescribes.
    async fn fresh(&self) -> Result<Opening, ReadError> {
        // `routed` is read before the ring. So when the ring is read, every row up to `routed` has been
        // pushed.
        let routed = self.topics.routed();
        let stream = &self.topics.stream;
        match stream.fresh(&self.want) {
            Fresh::Live => {
                let cursor = routed.max(self.topic.state().head);
                Ok(Opening { gap: None, replay: Bytes::new(), cursor, known: None, ends: None })
            }
            Fresh::Last(most) => {
                let (last, head) = self.topic.replay(most, &self.want);
                let cursor = routed.max(head);
                let last = match last {
                    Some(last) => last,
                    None => {
                        let reads = &self.topics.reads;
                        reads.replay(stream, &self.topic.key, &self.want, (cursor, most)).await?
                    }
                };
                Ok(Opening { gap: None, replay: last.frames, cursor, known: last.id, ends: last.ends })
            }
        }
    }
}
