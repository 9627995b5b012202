//! Reading the table for subscribers that are older than the ring.
//!
//! Those that follow everything often stand at the same place: after a restart of the gateway, or after a surge that
//! was faster than they. What one of them reads is kept for a while for the others, as rendered bytes, and those who
//! come while it is being read wait for it. Rows never change, so it stays true until something is pruned.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use oasis_store::{Filter, Order, PageQuery, Store, StoreError};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::frames;
use crate::hub::{REPLAY, Replay};

/// Reads of the table at the same time.
const AT_ONCE: usize = 4;
/// Events of one read.
const PAGE: i64 = 500;
/// Pages that are kept, 3 MB of usual events.
const KEPT: usize = 16;
/// Reading is a third of the time at the most: the processors are also those of whoever follows live.
const RESTS: u32 = 2;
const LONGEST_REST: Duration = Duration::from_millis(50);

pub(crate) struct CatchUps {
    store: Store,
    permits: Semaphore,
    /// The oldest first.
    kept: Mutex<VecDeque<(Place, Shared)>>,
}

/// The epoch of the ring, and the cursor that a page begins at.
type Place = (u64, i64);
/// A failure is shared, too: else those who wait would fail one after another, each in its own time.
type Shared = Arc<OnceCell<Result<Stretch, Arc<StoreError>>>>;

/// What a subscriber is to be told next.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub(crate) frames: Bytes,
    /// Everything up to this id is in it, or passed over.
    pub(crate) cursor: i64,
    /// How long a subscriber who has it waits before it asks for the next.
    pub(crate) rest: Duration,
}

impl CatchUps {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, permits: Semaphore::new(AT_ONCE), kept: Mutex::default() }
    }

    /// A page after the cursor of `place`, up to where the ring begins.
    pub(crate) async fn read(
        &self,
        place: Place,
        floor: i64,
        filter: &Filter,
    ) -> Result<Stretch, Arc<StoreError>> {
        let read = async || self.page(place.1, floor, filter).await.map_err(Arc::new);
        if !filter.takes_the_ticker() {
            return read().await;
        }
        let shared = self.shared(place);
        let page = shared.get_or_init(read).await.clone();
        if page.is_err() {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|(_, kept)| !Arc::ptr_eq(kept, &shared));
        }
        page
    }

    /// Forgets what is kept: some of it has been deleted, or nobody has needed it lately.
    pub(crate) fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The last events up to `head` that pass `filter` and are no repeats.
    pub(crate) async fn replay(&self, head: i64, filter: &Filter) -> Result<Replay, StoreError> {
        let _permit = self.permit().await;
        let page = self.store.replay(filter, head + 1, REPLAY as i64).await?;
        let mut out = Vec::new();
        page.events.iter().rev().for_each(|event| frames::event(&mut out, event));
        Ok(Replay { frames: out.into(), last: page.events.first().map(|event| event.id) })
    }

    fn shared(&self, place: Place) -> Shared {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = kept.iter().find(|(begin, _)| *begin == place) {
            return found.clone();
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let shared = Shared::default();
        kept.push_back((place, shared.clone()));
        shared
    }

    async fn page(&self, cursor: i64, floor: i64, filter: &Filter) -> Result<Stretch, StoreError> {
        let _permit = self.permit().await;
        let began = Instant::now();
        let order = Order::OldestFirst { after: cursor, upto: floor };
        let page = self.store.page(&PageQuery::ticker(Some(filter), order, PAGE)).await?;
        let mut out = Vec::with_capacity(page.events.len() * 384 + 96);
        if page.pruned_through > cursor {
            out.extend_from_slice(&frames::gap(cursor, page.pruned_through, "pruned"));
        }
        page.events.iter().for_each(|event| frames::event(&mut out, event));
        let cursor = match page.events.last() {
            Some(last) if page.events.len() as i64 == PAGE => last.id,
            _ => floor.max(page.pruned_through),
        };
        if !out.is_empty() && page.events.last().is_none_or(|last| last.id != cursor) {
            // The frames tell ids only of what passed the filter; the client's cursor must come along.
            out.extend_from_slice(&frames::cursor(cursor));
        }
        Ok(Stretch { frames: out.into(), cursor, rest: (began.elapsed() * RESTS).min(LONGEST_REST) })
    }

    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.permits.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use oasis_service::args::parse_from;

    use super::*;

    #[test]
    fn those_at_the_same_place_share_a_page_and_few_are_kept() {
        let url = "--database-url=postgres://nobody@127.0.0.1:1/none";
        let config: crate::Config = parse_from(["gateway-feed", url]).unwrap();
        let pages = CatchUps::new(Store::new(config.database, crate::NAME).unwrap());
        let first = pages.shared((1, 7));
        assert!(Arc::ptr_eq(&first, &pages.shared((1, 7))));
        assert!(!Arc::ptr_eq(&first, &pages.shared((2, 7))));
        for cursor in 100..100 + KEPT as i64 {
            assert!(!Arc::ptr_eq(&first, &pages.shared((1, cursor))));
        }
        assert!(!Arc::ptr_eq(&first, &pages.shared((1, 7))));
        pages.clear();
        assert!(pages.kept.lock().unwrap().is_empty());
    }
}
