//! Defines the trait [`Table`]: the reads of the table that the fan-out needs. Tests use a simulated table
//! instead of a database.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use oasis_core::Family;
use oasis_store::{Columns, Filter, Order, Page, PageQuery, Store, StoreError, StoredEvent};

/// Reads of the table. Each read has its own snapshot. Rows never change.
pub(crate) trait Table: Send + Sync {
    /// The first rows after `after`, up to and including `upto`, oldest first. Both the number of rows and
    /// the size of a batch are limited.
    fn page<'a>(&'a self, rows: &'a Filter, after: i64, upto: i64) -> Read<'a, Batch>;
    /// The last rows below `before` for a new subscriber, at most `most`, newest first.
    fn replay<'a>(&'a self, rows: &'a Filter, before: i64, most: usize) -> Read<'a, Batch>;
    /// The highest id of the table so far, including the ids of deleted rows.
    fn head(&self) -> Read<'_, i64>;
    /// The id of the first row of a family that was recorded at or after `since`.
    fn first_id_since<'a>(&'a self, family: &'a Family, since: Timestamp) -> Read<'a, Option<i64>>;
}

/// Rows that were read in one snapshot.
pub(crate) struct Batch {
    pub(crate) rows: Vec<StoredEvent>,
    /// Retention has deleted the rows of the family up to this id.
    pub(crate) pruned_through: i64,
    /// The highest id that the snapshot knows.
    pub(crate) head: i64,
    /// Whether the requested range has more rows than the batch.
    pub(crate) more: bool,
}

/// A read in progress. Boxing the future costs little, because few subscribers read the table at a time.
pub(crate) type Read<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The maximum number of rows in one batch.
const BATCH: i64 = 500;

impl Table for Store {
    fn page<'a>(&'a self, rows: &'a Filter, after: i64, upto: i64) -> Read<'a, Batch> {
        Box::pin(async move {
            let order = Order::OldestFirst { after, upto };
            let columns = Columns::of_channel(&rows.channel);
            // Without `meta`, the CHECK constraints keep the rows of a batch below 2 MiB. A limit in bytes
            // would double the time that PostgreSQL needs for the batch.
            let most_bytes = (columns != Columns::Ticker).then_some(PageQuery::MOST_BYTES);
            let query = PageQuery { columns, most_bytes, ..PageQuery::ticker(Some(rows), order, BATCH) };
            Ok(batch(rows, Store::page(self, &query).await?))
        })
    }

    fn replay<'a>(&'a self, rows: &'a Filter, before: i64, most: usize) -> Read<'a, Batch> {
        Box::pin(async move {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            Ok(batch(rows, Store::replay(self, rows, before, most).await?))
        })
    }

    fn head(&self) -> Read<'_, i64> {
        Box::pin(Store::head(self))
    }

    fn first_id_since<'a>(&'a self, family: &'a Family, since: Timestamp) -> Read<'a, Option<i64>> {
        Box::pin(Store::first_id_since(self, family, since))
    }
}

fn batch(rows: &Filter, Page { events, more, marks, newest }: Page) -> Batch {
    let pruned_through = marks.of_channel(&rows.channel);
    Batch { rows: events, pruned_through, head: newest.max(marks.highest()), more }
}
