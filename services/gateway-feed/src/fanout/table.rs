//! Defines the trait [`Table`]: the reads of the table that the fan-out needs. Tests use a simulated table
//! instead of a database.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use oasis_core::Family;
use oasis_store::{ChannelRange, Filter, Order, Page, PageQuery, RangeOrder, Store, StoredEvent};

use crate::batch::{Batch, ReadError};

/// Reads of the table. Each read has its own snapshot. Rows never change.
pub(crate) trait Table: Send + Sync {
    /// The first rows after `after`, up to and including `upto`, oldest first. Both the number of rows and
    /// the size of a batch are limited.
    fn page<'a>(&'a self, rows: &'a Filter, after: i64, upto: i64) -> Read<'a, Rows>;
    /// The last rows below `before` for a new subscriber, at most `most`, newest first.
    fn replay<'a>(&'a self, rows: &'a Filter, before: i64, most: usize) -> Read<'a, Rows>;
    /// The highest id of the table so far, including the ids of deleted rows.
    fn head(&self) -> Read<'_, i64>;
    /// The id of the first row of a family that was recorded at or after `since`.
    fn first_id_since<'a>(&'a self, family: &'a Family, since: Timestamp) -> Read<'a, Option<i64>>;
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
        rows: &Filter,
        (after, upto, limit): (i64, i64, i64),
    ) -> Result<Rows, ReadError> {
        let (channel, kinds) = (rows.channel.clone(), rows.kind.clone());
        let range = ChannelRange { channel, kinds, after, upto, limit };
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
    fn page<'a>(&'a self, rows: &'a Filter, after: i64, upto: i64) -> Read<'a, Rows> {
        Box::pin(async move {
            if rows.channel.is_devhub() {
                return self.ticker(rows, after, upto).await;
            }
            self.shared(&self.oldest_first, rows, (after, upto, BATCH)).await
        })
    }

    fn replay<'a>(&'a self, rows: &'a Filter, before: i64, most: usize) -> Read<'a, Rows> {
        Box::pin(async move {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            if rows.channel.is_devhub() {
                return Ok(of_page(rows, Store::replay(&self.store, rows, before, most).await?));
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
