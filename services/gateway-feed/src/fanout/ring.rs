//! Keeps the last rows of a topic as rendered bytes, in a bounded list of chunks. A chunk holds rows of one
//! page of the tail.
//!
//! Each subscriber has a cursor. The ring holds every row of the topic after `floor` and up to `head`. A
//! subscriber whose cursor is older than `floor` reads the table instead.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::budget::Weight;
use super::ends::CloseReason;
use super::stream::{EndRow, Rendered};

/// The approximate memory of a chunk in addition to its bytes and entries: two allocations and its place in
/// the ring.
const CHUNK_BYTES: usize = 160;

/// Rows of one page that belong to a topic, rendered one after the other.
pub(crate) struct Chunk<M> {
    bytes: Bytes,
    entries: Vec<Entry<M>>,
    /// Why the stream ends after the last row; `None` if the stream continues.
    ends: Option<CloseReason>,
    /// The approximate memory that the chunk takes, in bytes.
    weight: usize,
}

/// One row of a chunk.
struct Entry<M> {
    id: i64,
    /// Where the row's frame ends in the chunk's bytes.
    end: usize,
    /// The properties of the row that subscribers filter by.
    mark: M,
}

/// Renders rows, which are added in id order, into chunks.
pub(crate) struct Renderer<M> {
    bytes: Vec<u8>,
    entries: Vec<Entry<M>>,
    done: Vec<Chunk<M>>,
}

impl<M> Renderer<M> {
    /// Reserves memory for about `rows` rows of the usual size.
    pub(crate) fn new(rows: usize) -> Self {
        Self { bytes: Vec::with_capacity(rows * 384), entries: Vec::with_capacity(rows), done: Vec::new() }
    }

    /// Adds a row. `render` appends the row's frame. `render` returns the row's mark, and why the stream
    /// ends after the row (`None` if the stream continues). A row that ends the stream is the last row of
    /// its chunk.
    pub(crate) fn add(&mut self, id: i64, render: impl FnOnce(&mut Vec<u8>) -> (M, Option<CloseReason>)) {
        debug_assert!(self.entries.last().is_none_or(|last| last.id < id), "rows must come in id order");
        let (mark, ends) = render(&mut self.bytes);
        self.entries.push(Entry { id, end: self.bytes.len(), mark });
        if ends.is_some() {
            self.finish(ends);
        }
    }

    fn finish(&mut self, ends: Option<CloseReason>) {
        let entries = std::mem::take(&mut self.entries);
        let bytes = std::mem::take(&mut self.bytes);
        // `Bytes` keeps the spare capacity of the vector, so the spare capacity counts, too.
        let weight = bytes.capacity() + entries.capacity() * size_of::<Entry<M>>() + CHUNK_BYTES;
        self.done.push(Chunk { bytes: bytes.into(), entries, ends, weight });
    }

    /// The chunks, oldest first. No chunk is empty.
    pub(crate) fn chunks(mut self) -> Vec<Chunk<M>> {
        if !self.entries.is_empty() {
            self.finish(None);
        }
        self.done
    }
}

impl<M> Chunk<M> {
    /// The id of the chunk's last row.
    pub(crate) fn last(&self) -> i64 {
        // No chunk is empty.
        self.entries.last().map_or(i64::MIN, |entry| entry.id)
    }

    fn start_of(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.entries[before].end)
    }

    /// The approximate memory that the chunk takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// The rows from the index `from` on.
    pub(crate) fn rows(&self, from: usize) -> Vec<Rendered<'_, M>> {
        let entries = self.entries.iter().enumerate().skip(from);
        let row = |(index, entry)| {
            let Entry { id, end, mark }: &Entry<M> = entry;
            Rendered { id: *id, mark, bytes: &self.bytes[self.start_of(index)..*end] }
        };
        entries.map(row).collect()
    }

    /// The frames of the rows that `wants` accepts, from the index `from` on. If `wants` is `None`, these
    /// are all frames from that index on, without a copy.
    fn frames(&self, from: usize, wants: Option<&dyn Fn(&M) -> bool>) -> Bytes {
        let Some(wants) = wants else { return self.bytes.slice(self.start_of(from)..) };
        let mut out = BytesMut::new();
        for (index, entry) in self.entries.iter().enumerate().skip(from) {
            if wants(&entry.mark) {
                out.extend_from_slice(&self.bytes[self.start_of(index)..entry.end]);
            }
        }
        out.freeze()
    }
}

/// The result of [`Ring::take`] and [`Ring::fold`].
pub(crate) enum Taken {
    /// The wanted frames of one chunk; empty if no frame is wanted. Every row after the old cursor and up
    /// to `cursor` is in the frames, or is not wanted.
    Frames { frames: Bytes, cursor: i64, ends: Option<CloseReason> },
    /// The cursor is older than the ring. The ring only has the rows after this id.
    Behind(i64),
}

/// The last rows, which a new subscriber receives first.
pub(crate) struct Replay {
    pub(crate) frames: Bytes,
    /// The id of the last row.
    pub(crate) id: Option<i64>,
    /// Why the stream ends after these rows; `None` if the stream continues.
    pub(crate) ends: Option<CloseReason>,
}

/// The last rows of a topic. See the head of this file.
pub(crate) struct Ring<M> {
    chunks: VecDeque<Chunk<M>>,
    rows: usize,
    floor: i64,
    head: i64,
    /// Whether the ring holds all rows of the topic that are in the table.
    whole: bool,
}

impl<M> Ring<M> {
    /// An empty ring, which will hold every row after `floor`. `whole` means that the table has no row of
    /// the topic up to `floor`.
    pub(crate) fn new(floor: i64, whole: bool) -> Self {
        Self { chunks: VecDeque::new(), rows: 0, floor, head: floor, whole }
    }

    pub(crate) fn head(&self) -> i64 {
        self.head
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Raises the head to `head`. The caller has pushed every row up to `head`.
    pub(crate) fn advance(&mut self, head: i64) {
        self.head = self.head.max(head);
        self.check();
    }

    pub(crate) fn push(&mut self, chunk: Chunk<M>) {
        debug_assert!(chunk.entries[0].id > self.head, "rows must come in id order, without duplicates");
        self.rows += chunk.entries.len();
        self.head = chunk.last();
        self.chunks.push_back(chunk);
        self.check();
    }

    /// Forgets the oldest chunk. Subscribers that still need the chunk read the table.
    pub(crate) fn drop_oldest(&mut self) {
        if let Some(oldest) = self.chunks.front().map(Chunk::last) {
            self.drop_through(oldest);
        }
    }

    /// Forgets every chunk whose last row is at or below `through`. Returns the weight of these chunks.
    pub(crate) fn drop_through(&mut self, through: i64) -> Weight {
        let (freed, last) = self.pop(through);
        if let Some(last) = last {
            self.floor = self.floor.max(last);
            self.whole = false;
        }
        self.check();
        freed
    }

    /// Forgets the rows up to `through`, which have been deleted from the table. A chunk that also holds
    /// later rows keeps all its bytes, but the new floor hides the deleted rows. Returns the weight of the
    /// forgotten chunks.
    pub(crate) fn prune(&mut self, through: i64) -> Weight {
        let (freed, _) = self.pop(through);
        self.floor = self.floor.max(through);
        self.head = self.head.max(through);
        self.check();
        freed
    }

    /// Removes every chunk whose last row is at or below `through`. Returns the weight of the removed
    /// chunks, and the id of the last row in the removed chunks.
    fn pop(&mut self, through: i64) -> (Weight, Option<i64>) {
        let (mut freed, mut last) = (Weight::default(), None);
        while let Some(oldest) = self.chunks.front().filter(|oldest| oldest.last() <= through) {
            self.rows -= oldest.entries.len();
            freed.chunks += 1;
            freed.bytes += oldest.weight();
            last = Some(oldest.last());
            self.chunks.pop_front();
        }
        (freed, last)
    }

    /// Whether the ring has the chunk whose last row is `last`.
    pub(crate) fn holds(&self, last: i64) -> bool {
        self.chunks.binary_search_by_key(&last, Chunk::last).is_ok()
    }

    /// The weight of all chunks.
    pub(crate) fn weight(&self) -> Weight {
        Weight { chunks: self.chunks.len(), bytes: self.chunks.iter().map(Chunk::weight).sum() }
    }

    /// The wanted rows after `cursor`, up to the end of one chunk.
    pub(crate) fn take(&self, cursor: i64, wants: Option<&dyn Fn(&M) -> bool>) -> Taken {
        self.take_from(cursor, |chunk, from| Taken::Frames {
            frames: chunk.frames(from, wants),
            cursor: chunk.last(),
            ends: chunk.ends,
        })
    }

    /// Passes the rows after `cursor`, up to the end of one chunk, to `fold`, and returns the frames that it
    /// appends. `fold` returns the row that ends the stream (`None` if the stream continues).
    pub(crate) fn fold(
        &self,
        cursor: i64,
        fold: impl FnOnce(&[Rendered<'_, M>], &mut Vec<u8>) -> Option<EndRow>,
    ) -> Taken {
        self.take_from(cursor, |chunk, from| {
            let mut out = Vec::new();
            let end = fold(&chunk.rows(from), &mut out);
            let cursor = end.map_or(chunk.last(), |end| end.id);
            Taken::Frames { frames: out.into(), cursor, ends: end.map(|end| end.reason) }
        })
    }

    /// Passes the chunk with the first row after `cursor`, and the index of this row, to `take`.
    fn take_from(&self, cursor: i64, take: impl FnOnce(&Chunk<M>, usize) -> Taken) -> Taken {
        if cursor < self.floor {
            return Taken::Behind(self.floor);
        }
        let nth = self.chunks.partition_point(|chunk| chunk.last() <= cursor);
        match self.chunks.get(nth) {
            None => Taken::Frames { frames: Bytes::new(), cursor: cursor.max(self.head), ends: None },
            Some(chunk) => take(chunk, chunk.entries.partition_point(|entry| entry.id <= cursor)),
        }
    }

    /// The last `most` rows that `wants` accepts. Returns `None` if the ring holds too few rows. In that
    /// case, the caller must read the table.
    pub(crate) fn replay(&self, most: usize, wants: &dyn Fn(&M) -> bool) -> Option<Replay> {
        let mut found: Vec<Bytes> = Vec::with_capacity(most.min(self.rows));
        let mut id = None;
        'ring: for chunk in self.chunks.iter().rev() {
            for (index, entry) in chunk.entries.iter().enumerate().rev() {
                if found.len() == most {
                    break 'ring;
                }
                if entry.id > self.floor && wants(&entry.mark) {
                    found.push(chunk.bytes.slice(chunk.start_of(index)..entry.end));
                    id = id.or(Some(entry.id));
                }
            }
        }
        let ends = self.chunks.back().and_then(|chunk| chunk.ends);
        (found.len() == most || self.whole).then(|| Replay {
            frames: found.iter().rev().flat_map(|frame| frame.iter().copied()).collect(),
            id,
            ends,
        })
    }

    /// Checks the invariants, in debug builds.
    fn check(&self) {
        if cfg!(debug_assertions) {
            assert!(self.floor <= self.head, "the floor must not be above the head");
            assert_eq!(self.rows, self.chunks.iter().map(|chunk| chunk.entries.len()).sum::<usize>());
            let mut before = i64::MIN;
            for chunk in &self.chunks {
                assert!(chunk.last() > self.floor, "every chunk must have rows above the floor");
                assert_eq!(chunk.entries.last().map(|entry| entry.end), Some(chunk.bytes.len()));
                assert!(chunk.entries.first().is_some_and(|first| first.id > before), "ids must ascend");
                before = chunk.last();
            }
            assert!(before <= self.head, "no row may be above the head");
        }
    }
}
