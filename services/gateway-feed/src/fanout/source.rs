//! The reads that a subscriber waits for: the beginning of its connection, and the rows that are older than
//! its topic's ring.
//!
//! A read is a future that the subscriber keeps. So the subscriber still sends heartbeats, and still ends at
//! a shutdown, while the read waits for its turn or for the database.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use super::ends::CloseReason;
use super::pulse::State;
use super::reads::{Cursor, Stretch, rest};
use super::stream::{Fresh, GapReason, Snapshot, Stream};
use super::topic::Topic;
use super::topics::Topics;
use crate::batch::ReadError;

/// How long a cursor must be ahead of the table before the table counts as restored. During this time, the
/// cursor may still come from another gateway whose database server is ahead of the server of this gateway.
/// The time is longer than the pause of a tail that polls.
const LAG: Duration = Duration::from_secs(3);

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

/// The rows that one subscriber wants, and where the rows come from.
pub(super) struct Source<S: Stream> {
    pub(super) topics: Arc<Topics<S>>,
    pub(super) topic: Arc<Topic<S>>,
    pub(super) want: Arc<S::Want>,
    /// Whether the source of the rows is closed ([`super::admission::Admission::over`]).
    pub(super) is_over: bool,
}

impl<S: Stream> Clone for Source<S> {
    fn clone(&self) -> Self {
        Self {
            topics: self.topics.clone(),
            topic: self.topic.clone(),
            want: self.want.clone(),
            is_over: self.is_over,
        }
    }
}

/// A read in progress.
pub(super) type Reading<T> = BoxFuture<'static, Result<Found<T>, ReadError>>;

/// The result of a read.
pub(super) enum Found<T> {
    /// The beginning of a connection.
    Opening(Opening<T>),
    /// The new beginning of a connection, because the table was restored.
    Reset(Opening<T>),
    /// Rows after the cursor, and what the subscriber keeps of them ([`Stream::Folded`]).
    Stretch(Stretch, T),
}

/// How a connection begins.
pub(super) struct Opening<T> {
    /// The state before the read. A later restore of the table has a later epoch.
    pub(super) state: State,
    pub(super) gap: Option<Bytes>,
    pub(super) replay: Bytes,
    /// Every row up to this id is in the replay, or has been passed over.
    pub(super) cursor: i64,
    /// The cursor that the client knows after the replay. `None` if the client knows no cursor.
    pub(super) known: Option<i64>,
    /// Why the stream ends after the replay; `None` if the stream continues.
    pub(super) ends: Option<CloseReason>,
    /// What the subscriber keeps of the rows up to `cursor` ([`Stream::Folded`]).
    pub(super) folded: T,
}

impl<T: Default> Opening<T> {
    /// Begins after a cursor, without a replay.
    fn at(state: State, cursor: i64, known: Option<i64>) -> Self {
        Self { state, gap: None, replay: Bytes::new(), cursor, known, ends: None, folded: T::default() }
    }
}

impl<S: Stream> Source<S> {
    /// Reads the beginning of a connection, once the tail has read the table.
    pub(super) fn open(&self, begin: Begin) -> Reading<S::Folded> {
        let source = self.clone();
        Box::pin(async move {
            let state = source.topic.once_read().await;
            let opening = match begin {
                Begin::Fresh => source.fresh().await?,
                Begin::After(cursor) if source.is_ahead(cursor).await? => source.start_over(cursor).await?,
                Begin::After(cursor) if S::FOLDS => source.snapshot(Some(cursor)).await?,
                Begin::After(cursor) => Opening::at(state, cursor, Some(cursor)),
                Begin::Since(since) => {
                    let head = source.topics.state().head;
                    let cursor = source.topics.reads.cursor_since(S::FAMILY, since, head).await?;
                    Opening::at(state, cursor, None)
                }
            };
            Ok(Found::Opening(opening))
        })
    }

    /// Begins again with a gap, because the cursor `from` belongs to another table.
    pub(super) fn reset(&self, from: i64) -> Reading<S::Folded> {
        let source = self.clone();
        Box::pin(async move { Ok(Found::Reset(source.start_over(from).await?)) })
    }

    /// Reads a stretch of the table, up to the floor of the ring, but not before `rested_at`.
    pub(super) fn stretch(
        &self,
        (after, folded): (i64, &S::Folded),
        epoch: u64,
        floor: i64,
        rested_at: Instant,
    ) -> Reading<S::Folded> {
        let (source, mut folded) = (self.clone(), folded.clone());
        Box::pin(async move {
            // No timer is set for a time that has passed, because every timer needs at least a millisecond.
            if rested_at > Instant::now() {
                sleep_until(rested_at).await;
            }
            let Self { topics, topic, want, .. } = &source;
            if S::rows(&topic.key, want).is_empty() {
                let began = Instant::now();
                let snapshot = topics.stream.snapshot(&topic.key, want, Some(after)).await?;
                let Snapshot { folded, frames, cursor, ends } = snapshot;
                return Ok(Found::Stretch(Stretch { frames, cursor, ends, rest: rest(began) }, folded));
            }
            let cursor = Cursor { topic: topic.id, epoch, after };
            let rows = (&topic.key, &**want, &mut folded);
            let stretch = topics.reads.stretch(&topics.stream, rows, cursor, floor).await?;
            Ok(Found::Stretch(stretch, folded))
        })
    }

    /// Whether the cursor is above all ids of the table, which means that the table was restored.
    async fn is_ahead(&self, cursor: i64) -> Result<bool, ReadError> {
        for check_again in [true, false] {
            if cursor <= self.topics.state().head || cursor <= self.topics.reads.head().await? {
                return Ok(false);
            }
            if check_again {
                sleep(LAG).await;
            }
        }
        Ok(true)
    }

    async fn start_over(&self, from: i64) -> Result<Opening<S::Folded>, ReadError> {
        let fresh = self.fresh().await?;
        let gap = self.topics.stream.gap(from, fresh.cursor, GapReason::Reset);
        Ok(Opening { gap: Some(gap), ..fresh })
    }

    /// Begins without a cursor, as the stream prescribes.
    async fn fresh(&self) -> Result<Opening<S::Folded>, ReadError> {
        if S::FOLDS {
            return self.snapshot(None).await;
        }
        let state = self.topic.state();
        // `routed` is read before the ring. So when the ring is read, every row up to `routed` has been
        // pushed.
        let routed = self.topics.routed();
        let stream = &self.topics.stream;
        match stream.fresh(&self.want, self.is_over) {
            Fresh::Live => Ok(Opening::at(state, routed.max(self.topic.state().head), None)),
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
                let (replay, known, ends) = (last.frames, last.id, last.ends);
                Ok(Opening { replay, ends, ..Opening::at(state, cursor, known) })
            }
        }
    }

    /// Begins with a snapshot, and continues with the rows after it.
    async fn snapshot(&self, after: Option<i64>) -> Result<Opening<S::Folded>, ReadError> {
        let state = self.topic.state();
        let snapshot = self.topics.stream.snapshot(&self.topic.key, &self.want, after).await?;
        let Snapshot { folded, frames: replay, cursor, ends } = snapshot;
        // A snapshot without frames does not tell the client the cursor.
        let known = if replay.is_empty() { after } else { Some(cursor) };
        Ok(Opening { replay, ends, folded, ..Opening::at(state, cursor, known) })
    }
}
