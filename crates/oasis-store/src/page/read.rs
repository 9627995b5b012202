//! Reads one page of the table.

use tokio_postgres::Row;

use super::query::PageQuery;
use super::statement::Statement;
use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::store::Store;

/// A page, and what had been pruned when it was read (in the same snapshot).
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows in the order asked for.
    pub events: Vec<StoredEvent>,
    /// Ids up to this one are gone.
    pub pruned_through: i64,
    /// The highest id in the table, 0 when it is empty.
    pub newest: i64,
}

impl Store {
    /// Reads one page.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn page(&self, query: &PageQuery<'_>) -> Result<Page, StoreError> {
        if let Some(near) = Statement::near(query) {
            let rows = self.rows(&near).await?;
            if rows.first().is_some_and(|row| row.get("settled")) {
                return page_of(&rows);
            }
        }
        // What was appended meanwhile has higher ids than anything that was not settled.
        let rows = self.rows(&Statement::of(query)).await?;
        page_of(&rows)
    }

    pub(super) async fn rows(&self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        let params: Vec<_> = statement.params.iter().map(|param| param.bind()).collect();
        self.read(async |client| client.query_typed(&statement.sql, &params).await).await
    }
}

/// Reads the result of a [`Statement`]: there is a row, with the marks alone, even when no event matches.
pub(crate) fn page_of(rows: &[Row]) -> Result<Page, StoreError> {
    let mut page = Page { events: Vec::with_capacity(rows.len()), pruned_through: 0, newest: 0 };
    for row in rows {
        page.pruned_through = row.try_get("pruned_through")?;
        page.newest = row.try_get("newest")?;
        if row.try_get::<_, Option<i64>>("id")?.is_some() {
            page.events.push(StoredEvent::from_row(row)?);
        }
    }
    Ok(page)
}
