//! Defines the trait [`Table`]: the reads of the table that the fan-out needs. Tests use a simulated table
//! instead of a database.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use oasis_core::Family;
use oasis_core::resource::{Place, RESOURCES, ResourceId};
use oasis_store::{ChannelRange, Filter, Order, Page, PageQuery, RangeOrder, Store, StoredEvent};

use crate::batch::{Batch, ReadError};

/// Reads of the table. Each read has its own snapshot. Rows never change.
pub(crate) trait Table: Send + Sync {
    /// The first rows after `after`, up to and including `upto`, oldest first. Both the number of rows and
    /// the size of a batch are limited.
    fn page<'a>(&'a self, rows: &'a Selected, after: i64, upto: i64) -> Read<'a, Rows>;
    /// The last rows below `before` for a new subscriber, at most `most`, newest first.
    fn replay<'a>(&'a self, rows: &'a Selected, before: i64, most: usize) -> Read<'a, Rows>;
    /// The highest id of the table so far, including the ids of deleted rows.
    fn head(&self) -> Read<'_, i64>;
    /// The id of the first row of a family that was recorded at or after `since`.
    fn first_id_since<'a>(&'a self, family: &'a Family, since: Timestamp) -> Read<'a, Option<i64>>;
}

/// Selects rows of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) filter: Filter,
    /// Only the resource events of this workload, project or cluster.
    pub(crate) place: Option<(Place, ResourceId)>,
}

impl From<Filter> for Selected {
    fn from(filter: Filter) -> Self {
        Self { filter, place: None }
    }
}

/// Rows that were read in one snapshot.
pub(crate) struct Rows {
    pub(crate) rows: Vec<StoredEvent>,
    /// Retention has deleted the rows of the family up to this id.
    pub(crate) pruned_through: i64,
    /// The highest id that the snapshot knows.
    pub(crate) head: i64,
    /// Whether the requested range has more rows than the batch.
    pub(crate) more: bool,
}

/// A read in progress.
pub(crate) type Read<'a, T> = BoxFuture<'a, Result<T, ReadError>>;

/// The maximum number of rows in one batch.
const BATCH: i64 = 500;

/// The table in the database. Only reads of the ticker have separate statements.
pub(crate) struct Database {
    store: Store,
    oldest_first: Batch<ChannelRange, Option<Rows>>,
    newest_first: Batch<ChannelRange, Option<Rows>>,
    /// The reads of the events of a place, oldest first. A statement reads places of one kind only. The order
    /// is that of [`Place::ALL`].
    of_places: [Batch<ChannelRange, Option<Rows>>; Place::ALL.len()],
    /// The reads of all resource events. They may read many rows for a few wanted ones, so they do not share
    /// statements with rooms.
    of_resources: Batch<ChannelRange, Option<Rows>>,
}

impl Database {
    pub(crate) fn new(store: Store) -> Self {
        let shared = |order| {
            let store = store.clone();
            Batch::new(move |ranges| shared_read(store.clone(), ranges, order))
        };
        Self {
            oldest_first: shared(RangeOrder::OldestFirst),
            newest_first: shared(RangeOrder::NewestFirst),
            of_places: std::array::from_fn(|_| shared(RangeOrder::OldestFirst)),
            of_resources: shared(RangeOrder::OldestFirst),
            store,
        }
    }

    /// Reads a page of the ticker.
    async fn ticker(&self, rows: &Filter, after: i64, upto: i64) -> Result<Rows, ReadError> {
        let order = Order::OldestFirst { after, upto };
        // Without `meta`, the CHECK constraints keep the rows of a batch below 2 MiB. A limit in bytes would
        // double the time that PostgreSQL needs for the batch.
        let page = Store::page(&self.store, &PageQuery::ticker(Some(rows), order, BATCH)).await?;
        Ok(of_page(rows, page))
    }

    /// Reads rows of another channel.
    async fn shared(
        &self,
        reads: &Batch<ChannelRange, Option<Rows>>,
        rows: &Selected,
        (after, upto, limit): (i64, i64, i64),
    ) -> Result<Rows, ReadError> {
        let Selected { filter, place } = rows.clone();
        let range = ChannelRange { channel: filter.channel, place, kinds: filter.kind, after, upto, limit };
        loop {
            // If the statement left this range out, the range is requested again. Each statement reads at
            // least its first range, so the loop ends.
            if let Some(found) = reads.get(range.clone()).await? {
                return Ok(found);
            }
        }
    }
}

impl Table for Database {
    fn page<'a>(&'a self, rows: &'a Selected, after: i64, upto: i64) -> Read<'a, Rows> {
        Box::pin(async move {
            if rows.filter.channel.is_devhub() {
                return self.ticker(&rows.filter, after, upto).await;
            }
            let reads = match &rows.place {
                Some((place, _)) => &self.of_places[*place as usize],
                None if rows.filter.channel.as_str() == RESOURCES => &self.of_resources,
                None => &self.oldest_first,
            };
            self.shared(reads, rows, (after, upto, BATCH)).await
        })
    }

    fn replay<'a>(&'a self, rows: &'a Selected, before: i64, most: usize) -> Read<'a, Rows> {
        Box::pin(async move {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            if rows.filter.channel.is_devhub() {
                let filter = &rows.filter;
                return Ok(of_page(filter, Store::replay(&self.store, filter, before, most).await?));
            }
            // A shared statement may return fewer rows than this client needs.
            let mut found = self.shared(&self.newest_first, rows, (0, before - 1, most)).await?;
            while found.more && (found.rows.len() as i64) < most {
                let upto = found.rows.last().map_or(before, |last| last.id) - 1;
                let left = most - found.rows.len() as i64;
                let more = self.shared(&self.newest_first, rows, (0, upto, left)).await?;
                found.rows.extend(more.rows);
                (found.more, found.head) = (more.more, found.head.min(more.head));
                found.pruned_through = found.pruned_through.max(more.pruned_through);
            }
            Ok(found)
        })
    }

    fn head(&self) -> Read<'_, i64> {
        Box::pin(async move { Ok(Store::head(&self.store).await?) })
    }

    fn first_id_since<'a>(&'a self, family: &'a Family, since: Timestamp) -> Read<'a, Option<i64>> {
        Box::pin(async move { Ok(Store::first_id_since(&self.store, family, since).await?) })
    }
}

fn of_page(rows: &Filter, Page { events, more, marks, newest }: Page) -> Rows {
    let pruned_through = marks.of_channel(&rows.channel);
    Rows { rows: events, pruned_through, head: newest.max(marks.highest()), more }
}

/// Reads the rows of several ranges. `None` for a range that the statement left out.
async fn shared_read(
    store: Store,
    ranges: Vec<ChannelRange>,
    order: RangeOrder,
) -> Result<Vec<Option<Rows>>, ReadError> {
    let found = store.channel_rows(&ranges, order).await?;
    let (head, marks) = (found.newest.max(found.marks.highest()), found.marks);
    let rows = ranges.iter().zip(found.pages).map(|(range, page)| {
        let pruned_through = marks.of_channel(&range.channel);
        page.map(|page| Rows { rows: page.rows, pruned_through, head, more: page.more })
    });
    Ok(rows.collect())
}
