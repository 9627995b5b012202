//! Reads the table for subscribers whose cursor is older than their topic's ring.
//!
//! Subscribers of a topic often have the same cursor, for example after a restart of the gateway, or after
//! a surge that was too fast for these subscribers. So the rows that one subscriber reads, called a
//! stretch, are kept for a while as rendered bytes, for the other subscribers. If another subscriber needs
//! the same rows during the read, this subscriber waits for the result. Rows never change, so the kept
//! bytes stay correct until rows are pruned.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use oasis_core::Family;
use oasis_store::StoredEvent;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::ends::CloseReason;
use super::frame;
use super::ring::{Renderer, Replay};
use super::stream::{GapReason, Stream};
use super::table::{Rows, Table};
use crate::batch::ReadError;

/// The maximum number of reads of the table at the same time.
const AT_ONCE: usize = 4;
/// The maximum number of reads at the same time for subscribers that catch up. Each of them may need many
/// reads. A new subscriber needs only one, so it must not wait for them.
const CATCHING_UP: usize = 2;
/// The maximum number of stretches that are kept.
const KEPT: usize = 16;
/// The maximum size of all kept stretches together, in bytes.
const KEPT_BYTES: usize = 16 << 20;
/// After a read, a subscriber rests for this many times the duration of the read, so that subscribers that
/// read from the ring also get processor time.
const RESTS: u32 = 2;
/// The longest rest after a read.
const LONGEST_REST: Duration = Duration::from_millis(50);

/// Reads the table for the subscribers of one stream. See the head of this file.
pub(crate) struct Reads {
    table: Arc<dyn Table>,
    turns: Semaphore,
    /// The turns of subscribers that catch up. Each also needs one of `turns`.
    catching_up: Semaphore,
    /// Whether subscribers share the statements that read rows (see [`crate::batch`]). Shared reads need no
    /// turn.
    shares_statements: bool,
    /// The stretches that are kept, oldest first.
    kept: Mutex<VecDeque<(Cursor, Shared)>>,
}

/// Where a stretch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The topic's id in this process.
    pub(crate) topic: u64,
    pub(crate) epoch: u64,
    /// Every row up to this id has been sent or passed over.
    pub(crate) after: i64,
}

/// A read that several subscribers share. A failure of the read counts for all of these subscribers.
/// Otherwise, each subscriber would repeat the read, and would fail after another time-out.
type Shared = Arc<OnceCell<Result<Stretch, ReadError>>>;

/// The next rows for a subscriber, read from the table.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub(crate) frames: Bytes,
    /// Every row up to this id is in the frames, or has been passed over.
    pub(crate) cursor: i64,
    /// Why the stream ends after the frames; `None` if the stream continues.
    pub(crate) ends: Option<CloseReason>,
    /// How long a subscriber waits after this stretch before it reads the next stretch.
    pub(crate) rest: Duration,
}

impl Reads {
    pub(crate) fn new(table: Arc<dyn Table>, shares_statements: bool) -> Self {
        Self {
            table,
            turns: Semaphore::new(AT_ONCE),
            catching_up: Semaphore::new(CATCHING_UP),
            shares_statements,
            kept: Mutex::default(),
        }
    }

    /// The wanted rows of a topic after a cursor, up to `floor`, the floor of the topic's ring.
    pub(crate) async fn stretch<S: Stream>(
        &self,
        stream: &S,
        (topic, want, folded): (&S::Topic, &S::Want, &mut S::Folded),
        cursor: Cursor,
        floor: i64,
    ) -> Result<Stretch, ReadError> {
        if S::FOLDS || !S::wants_all(want) {
            return self.read(stream, (topic, want, folded), cursor.after, floor).await;
        }
        let shared = self.shared(cursor);
        let read = async || self.read(stream, (topic, want, folded), cursor.after, floor).await;
        let stretch = shared.get_or_init(read).await.clone();
        if stretch.is_err() {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|(_, kept)| !Arc::ptr_eq(kept, &shared));
        }
        stretch
    }

    /// Forgets all kept stretches. The caller does this when the tail starts, when rows have been deleted,
    /// and at each heartbeat.
    pub(crate) fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The last wanted rows up to `head`, at most `most`, for a new subscriber.
    pub(crate) async fn replay<S: Stream>(
        &self,
        stream: &S,
        topic: &S::Topic,
        want: &S::Want,
        (head, most): (i64, usize),
    ) -> Result<Replay, ReadError> {
        let _turn = self.turn_for_rows().await;
        let mut rows: Vec<StoredEvent> = Vec::new();
        // Each selection is read in its own snapshot, and rows may be deleted between two snapshots.
        let mut pruned = 0;
        let selections = S::rows(topic, want);
        let reads = selections.iter().map(|rows| self.table.replay(rows, head + 1, most));
        for batch in try_join_all(reads).await? {
            reaches(&batch, head)?;
            pruned = pruned.max(batch.pruned_through);
            rows.extend(batch.rows);
        }
        merge(&mut rows, |row| row.id > pruned && S::shows(topic, row));
        let rows = &rows[rows.len().saturating_sub(most)..];
        let mut out = Vec::new();
        let mut ends = None;
        rows.iter().for_each(|row| ends = stream.render(row, &mut out));
        Ok(Replay { frames: out.into(), id: rows.last().map(|row| row.id), ends })
    }

    /// The highest id of the table so far, including the ids of deleted rows.
    pub(crate) async fn head(&self) -> Result<i64, ReadError> {
        let _turn = self.turn().await;
        self.table.head().await
    }

    /// The cursor just before the first row recorded at or after `since`. If there is no such row, the
    /// cursor is `head`, the last id that the tail has read.
    pub(crate) async fn cursor_since(
        &self,
        family: &str,
        since: Timestamp,
        head: i64,
    ) -> Result<i64, ReadError> {
        let _turn = self.turn().await;
        match self.table.first_id_since(&Family::stored(family), since).await? {
            Some(first) => Ok(first - 1),
            None if self.table.head().await? >= head => Ok(head),
            None => Err(ReadError::Stale),
        }
    }

    fn shared(&self, cursor: Cursor) -> Shared {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = kept.iter().find(|(begin, _)| *begin == cursor) {
            return found.clone();
        }
        let bytes = |kept: &VecDeque<(Cursor, Shared)>| -> usize {
            let read = kept.iter().filter_map(|(_, shared)| shared.get()?.as_ref().ok());
            read.map(|stretch| stretch.frames.len()).sum()
        };
        while kept.len() >= KEPT || bytes(&kept) > KEPT_BYTES {
            kept.pop_front();
        }
        let shared = Shared::default();
        kept.push_back((cursor, shared.clone()));
        shared
    }

    async fn read<S: Stream>(
        &self,
        stream: &S,
        (topic, want, folded): (&S::Topic, &S::Want, &mut S::Folded),
        after: i64,
        floor: i64,
    ) -> Result<Stretch, ReadError> {
        let _catching_up = self.catching_up().await;
        let _turn = self.turn_for_rows().await;
        let began = Instant::now();
        let mut rows: Vec<StoredEvent> = Vec::new();
        // If the table has more rows than the batch, the batch is complete only up to its last row. With
        // several selections, the stretch is complete up to the lowest of these last rows.
        let (mut complete_to, mut pruned) = (floor, 0);
        let selections = S::rows(topic, want);
        // Together, these reads share statements.
        let reads = selections.iter().map(|rows| self.table.page(rows, after, floor));
        for batch in try_join_all(reads).await? {
            reaches(&batch, floor)?;
            pruned = pruned.max(batch.pruned_through);
            if let Some(last) = batch.rows.last().filter(|_| batch.more) {
                complete_to = complete_to.min(last.id);
            }
            rows.extend(batch.rows);
        }
        // Retention keeps some rows of a folding stream longer than others.
        let is_kept = |row: &StoredEvent| S::FOLDS || row.id > pruned;
        merge(&mut rows, |row| is_kept(row) && row.id <= complete_to && S::shows(topic, row));
        let mut out = Vec::with_capacity(rows.len() * 384 + 96);
        if pruned > after {
            out.extend_from_slice(&stream.gap(after, pruned, GapReason::Pruned));
        }
        let (mut last, mut ends) = (None, None);
        if S::FOLDS {
            let mut renderer = Renderer::new(rows.len());
            for row in &rows {
                renderer.add(row.id, |out| (stream.mark(row), stream.render(row, out)));
            }
            // `render` of a folding stream never ends a chunk, so there is at most one.
            let chunks = renderer.chunks();
            let rendered = chunks.first().map(|chunk| chunk.rows(0)).unwrap_or_default();
            let end = S::fold(folded, topic, want, &rendered, &mut out);
            (last, ends) = (end.map(|end| end.id), end.map(|end| end.reason));
        } else {
            for row in &rows {
                ends = stream.render(row, &mut out);
                last = Some(row.id);
                if ends.is_some() {
                    break;
                }
            }
        }
        let cursor = match last.filter(|_| ends.is_some()) {
            Some(end) => end,
            None => complete_to.max(pruned),
        };
        if !out.is_empty() && last != Some(cursor) {
            // The frames contain only the ids of wanted rows. So the cursor is sent to the client, too.
            out.extend_from_slice(&frame::cursor(cursor));
        }
        Ok(Stretch { frames: out.into(), cursor, ends, rest: rest(began) })
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.turns.acquire().await.ok()
    }

    async fn catching_up(&self) -> Option<SemaphorePermit<'_>> {
        if self.shares_statements { None } else { self.catching_up.acquire().await.ok() }
    }

    async fn turn_for_rows(&self) -> Option<SemaphorePermit<'_>> {
        if self.shares_statements { None } else { self.turn().await }
    }
}

/// How long a subscriber rests after a read that began at this time.
pub(super) fn rest(began: Instant) -> Duration {
    (began.elapsed() * RESTS).min(LONGEST_REST)
}

/// Sorts the rows of several selections by id, removes duplicates, and keeps only rows that are `shown`.
fn merge(rows: &mut Vec<StoredEvent>, shown: impl Fn(&StoredEvent) -> bool) {
    rows.retain(shown);
    rows.sort_unstable_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
}

/// Refuses a read if its snapshot may lack rows that the tail has read.
fn reaches(batch: &Rows, head: i64) -> Result<(), ReadError> {
    if batch.head >= head { Ok(()) } else { Err(ReadError::Stale) }
}
