//! Reads one page of the table.

use tokio_postgres::Row;

use super::query::PageQuery;
use super::statement::PageStatement;
use super::{by_time, deep};
use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::marks::Marks;
use crate::store::Store;

/// A page, and the state of the table in the snapshot of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows in the requested order.
    pub events: Vec<StoredEvent>,
    /// Whether more rows follow in the requested order.
    pub more: bool,
    /// The id up to which each family of channels has been pruned.
    pub marks: Marks,
    /// The highest id in the table, over all channels. 0 if the table is empty.
    pub newest: i64,
}

impl Page {
    /// Reads the rows of a [`PageStatement`] into a page of at most `limit` events.
    pub(crate) fn read(rows: &[Row], limit: i64) -> Result<Self, StoreError> {
        let mut page = Self { events: Vec::new(), more: false, marks: Marks::default(), newest: 0 };
        let Some(first) = rows.first() else { return Ok(page) };
        page.marks = Marks::read(first.try_get("pruned_through")?, first.try_get("families")?)?;
        page.newest = first.try_get("newest")?;
        if first.try_get::<_, Option<i64>>("id")?.is_none() {
            return Ok(page);
        }
        let kept = rows.len().min(usize::try_from(limit).unwrap_or_default());
        page.events = rows[..kept].iter().map(StoredEvent::from_row).collect::<Result<_, _>>()?;
        let found: Option<i64> = first.try_get("found")?;
        page.more = found.map_or(rows.len(), |found| usize::try_from(found).unwrap_or_default()) > kept;
        Ok(page)
    }
}

impl Store {
    /// Reads one page.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn page(&self, query: &PageQuery<'_>) -> Result<Page, StoreError> {
        if let Some(statement) = by_time::among_newest(query).or_else(|| deep::among_newest(query)) {
            let rows = self.rows(&statement).await?;
            if rows.first().is_some_and(|row| row.get("settled")) {
                return Page::read(&rows, query.limit);
            }
        }
        // If the first statement did not complete the page, this statement reads the whole page again, in a
        // new snapshot.
        let statement = by_time::by_time_index(query).unwrap_or_else(|| PageStatement::by_id(query));
        Page::read(&self.rows(&statement).await?, query.limit)
    }

    pub(super) async fn rows(&self, statement: &PageStatement) -> Result<Vec<Row>, StoreError> {
        let (sql, params) = (self.sql(&statement.sql), statement.params.bind());
        self.read(async |client| client.query_typed(&sql, &params).await).await
    }
}
