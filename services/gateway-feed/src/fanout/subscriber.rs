//! Serves one client of a stream: keeps the client's cursor and filter, and decides which frames come next.
//!
//! A client that resumes and a client that lags are served in the same way. They get the rows after their
//! cursor from the topic's ring or, if the cursor is older than the ring, from the table. A client without
//! a cursor begins with a replay, and is then served in the same way.

use std::convert::Infallible;
use std::pin::pin;
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
use tokio::time::{Instant, sleep, timeout_at};

use super::admission::{Admitted, Over, Permit};
use super::ends::{CloseReason, Ending};
use super::frame;
use super::pulse::{Presence, Pulse, State};
use super::reads::Stretch;
use super::ring::Taken;
use super::source::{Begin, Found, Opening, Reading, Source};
use super::stream::Stream;
use super::topics::Topics;
use crate::batch::ReadError;

/// The time between two comments to a client that waits for its first frames.
pub(crate) const AWAY_COMMENT: Duration = Duration::from_secs(5);
/// The pause after a failed read.
pub(crate) const RETRY: Duration = Duration::from_secs(1);
/// At shutdown, the stream of each client ends at a random time within this period.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// Serves one client. See the head of this file.
pub(crate) struct Subscriber<S: Stream> {
    client: Client<S>,
    ending: Option<Ending>,
    ended: bool,
    permit: S::Permit,
}

impl<S: Stream> Subscriber<S> {
    /// A subscriber for a client that may read.
    pub(crate) fn new(
        topics: &Arc<Topics<S>>,
        (topic, want, begin): (S::Topic, S::Want, Begin),
        Admitted { mut permit, ending, over }: Admitted<S::Permit>,
    ) -> Self {
        permit.began();
        let topic = topics.join(topic);
        let client = Client {
            pulse: topic.subscribe(),
            source: Source { topics: topics.clone(), topic, want: Arc::new(want), is_over: over.is_some() },
            over,
            begin: Some(begin),
            reading: None,
            cursor: 0,
            folded: S::Folded::default(),
            known: 0,
            presence: Presence::Unread,
            epoch: 0,
            beats: 0,
            ticks: 0,
            rested_at: Instant::now(),
            retry_at: None,
            ends: None,
        };
        Self { client, ending, ended: false, permit }
    }

    /// The subscriber as the body of a response. It is boxed, because `unfold` moves it with every frame.
    pub(crate) fn into_body(self) -> Body {
        boxed(StreamBody::new(unfold(Box::new(self), |mut this| async move {
            let bytes = this.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), this))
        })))
    }

    /// The next bytes for the client; `None` after the last frame.
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
        let bytes = match next {
            Next::Frames(bytes) => bytes,
            Next::Close(reason) => {
                self.ended = true;
                self.permit.ended(reason);
                self.client.source.topics.stream.close(reason, retry())
            }
        };
        self.permit.sent(&bytes);
        Some(bytes)
    }
}

/// How many milliseconds a client should wait after the last frame before it reconnects. The time is
/// random, so that the clients do not all reconnect to the next instance at the same time.
pub(crate) fn retry() -> u64 {
    1_000 + (5_000.0 * random()) as u64
}

/// What the client gets next.
enum Next {
    Frames(Bytes),
    Close(CloseReason),
}

/// The next step in serving a client.
enum Step {
    Send(Bytes),
    /// Decide again.
    Again,
    /// Wait for a change of the pulse.
    Wait,
}

struct Client<S: Stream> {
    source: Source<S>,
    pulse: watch::Receiver<Pulse>,
    /// Where the client begins. `None` once the client has got its first frames.
    begin: Option<Begin>,
    /// The read in progress, if there is one. Its result is sent next.
    reading: Option<Reading<S::Folded>>,
    /// Every row up to this id has been sent or passed over.
    cursor: i64,
    /// What the client keeps of the rows up to the cursor ([`Stream::Folded`]).
    folded: S::Folded,
    /// The cursor that the client knows: the last id that the client sent or received.
    known: i64,
    presence: Presence,
    epoch: u64,
    beats: u64,
    ticks: u64,
    /// When the table may be read again.
    rested_at: Instant,
    /// When to read the table again after a failure.
    retry_at: Option<Instant>,
    /// Why the stream ends after the rows that were sent; `None` if the stream continues.
    ends: Option<CloseReason>,
    /// The end of the rows, if their source was already closed when the client was admitted.
    over: Option<Over>,
}

impl<S: Stream> Client<S> {
    async fn next(&mut self) -> Next {
        loop {
            if let Some(reason) = self.ends {
                return Next::Close(reason);
            }
            if let Some(retry_at) = self.retry_at.take() {
                // Only a shutdown ends the pause early. The channel stays open, because this client holds
                // the topic.
                let _ = timeout_at(retry_at, self.pulse.wait_for(|pulse| pulse.state.closing)).await;
            }
            let state = self.pulse.borrow_and_update().state;
            if state.closing {
                // The streams of the clients end at random times, so that they do not end all at once.
                sleep(LEAVE_WITHIN.mul_f64(random())).await;
                return Next::Close(CloseReason::Shutdown);
            }
            // The future of `read` is boxed, because subscribers rarely need this future, and because every
            // subscriber would otherwise be as large as the future.
            let step = match self.begin {
                _ if self.reading.is_some() => Box::pin(self.read()).await,
                Some(begin) => Ok(self.connect(begin, state)),
                None => Ok(self.follow(state)),
            };
            match step {
                Ok(Step::Send(bytes)) => return Next::Frames(bytes),
                Ok(Step::Again) => {}
                Ok(Step::Wait) if self.ends.is_some() => {}
                Ok(Step::Wait) => {
                    let share = self.pulse.borrow().share.clone();
                    // The channel stays open, because this client holds the topic.
                    let _ = self.pulse.changed().await;
                    drop(share);
                    self.source.topic.woken();
                }
                Err(error) => {
                    tracing::debug!(%error, "a subscriber cannot read the table and will try again");
                    self.retry_at = Some(Instant::now() + RETRY);
                    if self.begin.is_some() {
                        return Next::Frames(frame::waiting());
                    }
                }
            }
        }
    }

    /// Waits for the read. Until the read has a result, a connected client gets heartbeats, and a new
    /// client gets comments.
    async fn read(&mut self) -> Result<Step, ReadError> {
        let Some(reading) = &mut self.reading else { return Ok(Step::Again) };
        let connected = self.begin.is_none();
        let mut silence = pin!(sleep(AWAY_COMMENT));
        let found = loop {
            tokio::select! {
                biased;
                found = &mut *reading => break found,
                // The channel stays open, because this client holds the topic.
                _ = self.pulse.changed() => {
                    let state = self.pulse.borrow().state;
                    if state.closing {
                        return Ok(Step::Again);
                    }
                    if connected && state.beats != self.beats {
                        return Ok(Step::Send(self.heartbeat(state)));
                    }
                }
                () = &mut silence, if !connected => {
                    return Ok(Step::Send(frame::waiting()));
                }
            }
        };
        self.reading = None;
        Ok(match found? {
            Found::Opening(opening) => Step::Send(self.opened(opening)),
            Found::Reset(opening) => Step::Send(self.started_over(opening)),
            Found::Stretch(Stretch { frames, cursor, ends, rest }, folded) => {
                self.folded = folded;
                self.rested_at = Instant::now() + rest;
                self.take(frames, cursor, ends)
            }
        })
    }

    /// Starts to read the first frames. If the tail has not read the table yet, the client gets a comment
    /// at once, which shows that the gateway works.
    fn connect(&mut self, begin: Begin, state: State) -> Step {
        self.reading = Some(self.source.open(begin));
        if state.presence == Presence::Unread { Step::Send(frame::waiting()) } else { Step::Again }
    }

    /// The first frames of a connection.
    fn opened(&mut self, opening: Opening<S::Folded>) -> Bytes {
        let Opening { state, gap, replay, cursor, known, ends, folded } = opening;
        let now = Ts::clamped(Timestamp::now());
        let Source { topics, topic, want, .. } = &self.source;
        let head = topics.routed().max(cursor);
        let mut out = BytesMut::from(&topics.stream.greeting(&topic.key, now, state.presence, head)[..]);
        out.extend_from_slice(&gap.unwrap_or_default());
        out.extend_from_slice(&replay);
        if known != Some(cursor) {
            // A client that reconnects must begin at this cursor, even if the last row that the client got
            // is older.
            out.extend_from_slice(&frame::cursor(cursor));
        }
        if state.presence == Presence::Empty {
            out.extend_from_slice(&topics.stream.while_empty(None, state.ticks, now, want));
        }
        (self.presence, self.epoch, self.folded) = (state.presence, state.epoch, folded);
        (self.beats, self.ticks) = (state.beats, state.ticks);
        (self.cursor, self.known, self.ends) = (cursor, cursor, ends);
        self.begin = None;
        out.freeze()
    }

    /// The frames for a connected client after a restore of the table.
    fn started_over(&mut self, opening: Opening<S::Folded>) -> Bytes {
        let Opening { state, gap, replay, cursor, known: _, ends, folded } = opening;
        (self.epoch, self.folded) = (state.epoch, folded);
        let mut out = BytesMut::from(&gap.unwrap_or_default()[..]);
        out.extend_from_slice(&replay);
        out.extend_from_slice(&frame::cursor(cursor));
        (self.cursor, self.known, self.ends) = (cursor, cursor, ends);
        out.freeze()
    }

    /// The next step for a connected client that does not wait for a read.
    fn follow(&mut self, state: State) -> Step {
        if self.presence != state.presence {
            self.presence = state.presence;
            let filled = self.source.topics.stream.filled(Ts::clamped(Timestamp::now()));
            if !filled.is_empty() {
                return Step::Send(filled);
            }
        }
        // The heartbeat comes before any step that reads the table, so that the client gets heartbeats
        // while the database is not available.
        if self.beats != state.beats {
            return Step::Send(self.heartbeat(state));
        }
        if self.is_of_another_table(state) {
            self.reading = Some(self.source.reset(self.cursor));
            return Step::Again;
        }
        self.epoch = state.epoch;
        if state.presence == Presence::Empty && self.ticks != state.ticks {
            let after = std::mem::replace(&mut self.ticks, state.ticks);
            let now = Ts::clamped(Timestamp::now());
            let Source { topics, want, .. } = &self.source;
            let shown = topics.stream.while_empty(Some(after), state.ticks, now, want);
            if !shown.is_empty() {
                return Step::Send(shown);
            }
        }
        self.rows(state)
    }

    /// Whether the table was restored to a head below the cursor. The lowest head since `self.epoch` counts,
    /// and not the current head, because a restored table may have grown past the cursor.
    fn is_of_another_table(&self, state: State) -> bool {
        let rewound = || self.source.topics.rewound_since(self.epoch);
        state.epoch != self.epoch && rewound().is_some_and(|head| head < self.cursor)
    }

    /// The frame of the cursor, if the client does not know the cursor yet, and the frame of the heartbeat.
    fn heartbeat(&mut self, state: State) -> Bytes {
        self.beats = state.beats;
        let mut out = BytesMut::new();
        if !self.is_of_another_table(state) {
            // A read in progress began at the cursor, so the cursor must not move.
            if self.reading.is_none() {
                self.pass_over(state);
            }
            if self.known != self.cursor {
                self.known = self.cursor;
                out.extend_from_slice(&self.source.topics.stream.cursor(self.cursor));
            }
        }
        out.extend_from_slice(&self.pulse.borrow().heartbeat);
        out.freeze()
    }

    /// Moves the cursor past rows without frames, up to the first row that has frames or is not in the ring.
    /// That row is taken again later. So a heartbeat sends a recent cursor.
    fn pass_over(&mut self, state: State) {
        while self.cursor < state.head {
            let mut folded = self.folded.clone();
            match self.source.topic.take(self.cursor, &self.source.want, &mut folded) {
                Taken::Frames { frames, cursor, ends: None } if frames.is_empty() && cursor > self.cursor => {
                    (self.cursor, self.folded) = (cursor, folded);
                }
                Taken::Frames { .. } | Taken::Behind(_) => return,
            }
        }
    }

    /// The next wanted rows, up to the topic's head.
    fn rows(&mut self, state: State) -> Step {
        while self.cursor < state.head {
            let step = match self.source.topic.take(self.cursor, &self.source.want, &mut self.folded) {
                Taken::Frames { frames, cursor, ends } => self.take(frames, cursor, ends),
                Taken::Behind(floor) => {
                    let stretch =
                        self.source.stretch((self.cursor, &self.folded), self.epoch, floor, self.rested_at);
                    self.reading = Some(stretch);
                    Step::Again
                }
            };
            match step {
                Step::Again if self.reading.is_none() && self.ends.is_none() => {}
                Step::Send(_) | Step::Again | Step::Wait => return step,
            }
        }
        self.ends = self.ends.or_else(|| self.reached_the_end());
        Step::Wait
    }

    /// Why the stream ends now: the source of the rows is closed, and the client has all rows up to the end.
    /// `None` until then.
    fn reached_the_end(&self) -> Option<CloseReason> {
        let Over { last, reason } = self.over?;
        let routed = self.source.topics.routed();
        (routed >= last && self.pulse.borrow().state.head <= self.cursor).then_some(reason)
    }

    /// Takes rows from the ring or from the table. Every row up to `cursor` is in the frames, or is not
    /// wanted.
    fn take(&mut self, frames: Bytes, cursor: i64, ends: Option<CloseReason>) -> Step {
        if frames.is_empty() && cursor <= self.cursor {
            // The ring was replaced by a ring with a lower head, because the database was restored. The
            // pulse will report the restore.
            return Step::Wait;
        }
        (self.cursor, self.ends) = (cursor, ends);
        if frames.is_empty() {
            return Step::Again;
        }
        // If the filter did not match the last rows, the next heartbeat sends the cursor.
        self.known = if S::wants_all(&self.source.want) { cursor } else { self.known };
        Step::Send(frames)
    }
}
