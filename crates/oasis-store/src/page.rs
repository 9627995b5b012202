//! Reading pages of the table: the one query behind replay, resume, filters and the query API.

use jiff::Timestamp;
use oasis_core::{Channel, Ticker, Ts};
use tokio_postgres::Row;

use crate::{Store, StoreError};

mod replay;
mod statement;

pub(crate) use statement::{Statement, fields};

/// An event as the table holds it. Its fields passed the table's CHECK constraints and are not parsed again.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of the contract")]
pub struct StoredEvent {
    pub id: i64,
    pub ts: String,
    pub vtid: String,
    pub layer: String,
    pub module: String,
    pub source: String,
    pub kind: String,
    pub status: String,
    pub title: String,
    pub reference: String,
    pub link: Option<String>,
    pub channel: String,
    pub recorded_at: Timestamp,
    /// JSON text; empty unless [`Columns`] that hold it were asked for.
    pub meta: String,
}

impl StoredEvent {
    /// The public view.
    pub fn ticker(&self) -> Ticker<'_> {
        Ticker {
            ts: &self.ts,
            vtid: &self.vtid,
            layer: &self.layer,
            module: &self.module,
            source: &self.source,
            kind: &self.kind,
            status: &self.status,
            title: &self.title,
            reference: &self.reference,
            link: self.link.as_deref(),
        }
    }

    /// A row whose columns begin with those of a [`Statement`].
    pub(crate) fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let ts: Timestamp = row.try_get(1)?;
        Ok(Self {
            id: row.try_get(0)?,
            ts: Ts::new(ts).map_or_else(|_| ts.to_string(), |ts| ts.to_string()),
            vtid: row.try_get(2)?,
            layer: row.try_get(3)?,
            module: row.try_get(4)?,
            source: row.try_get(5)?,
            kind: row.try_get(6)?,
            status: row.try_get(7)?,
            title: row.try_get(8)?,
            reference: row.try_get(9)?,
            link: row.try_get(10)?,
            channel: row.try_get(11)?,
            recorded_at: row.try_get(12)?,
            meta: row.try_get(13)?,
        })
    }
}

/// Which rows a reader wants: a channel, and for each field the values that it accepts (none: any value).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The stream.
    pub channel: Channel,
    /// Accepted VTIDs, `UNSET` and `IDLE` among them.
    pub vtid: Vec<String>,
    /// Accepted layers.
    pub layer: Vec<String>,
    /// Accepted modules.
    pub module: Vec<String>,
    /// Accepted sources.
    pub source: Vec<String>,
    /// Accepted kinds.
    pub kind: Vec<String>,
    /// Accepted statuses.
    pub status: Vec<String>,
}

impl Filter {
    /// Everything in `channel`.
    pub fn all(channel: Channel) -> Self {
        let none = Vec::new;
        Self {
            channel,
            vtid: none(),
            layer: none(),
            module: none(),
            source: none(),
            kind: none(),
            status: none(),
        }
    }

    /// Whether it accepts every event of its channel.
    pub fn is_open(&self) -> bool {
        self.fields().iter().all(|(_, accepted)| accepted.is_empty())
    }

    /// Whether it accepts every event of the ticker, channel `devhub`.
    pub fn takes_the_ticker(&self) -> bool {
        self.is_open() && self.channel == Channel::devhub()
    }

    /// Whether it accepts `event`.
    pub fn accepts(&self, event: &StoredEvent) -> bool {
        let takes =
            |accepted: &[String], value: &str| accepted.is_empty() || accepted.iter().any(|a| a == value);
        self.channel.as_str() == event.channel
            && takes(&self.vtid, &event.vtid)
            && takes(&self.layer, &event.layer)
            && takes(&self.module, &event.module)
            && takes(&self.source, &event.source)
            && takes(&self.kind, &event.kind)
            && takes(&self.status, &event.status)
    }

    fn fields(&self) -> [(&'static str, &[String]); 6] {
        [
            ("vtid", &self.vtid),
            ("status", &self.status),
            ("source", &self.source),
            ("kind", &self.kind),
            ("module", &self.module),
            ("layer", &self.layer),
        ]
    }
}

/// Which way a page goes, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Descending ids, all below `before`.
    NewestFirst {
        /// Exclusive bound.
        before: Option<i64>,
    },
    /// Ascending ids above `after`, up to and with `upto`.
    OldestFirst {
        /// Exclusive bound.
        after: i64,
        /// Inclusive bound.
        upto: i64,
    },
}

/// How much of each row is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// The ticker's fields.
    Ticker,
    /// `meta` too.
    WithMeta,
    /// `meta` too, of what agents say alone.
    WithMetaOfAgents,
}

/// One page that a reader asks for.
#[derive(Debug, Clone)]
pub struct PageQuery<'a> {
    /// Which rows; without a filter, those of every channel.
    pub filter: Option<&'a Filter>,
    /// Which way, and from where.
    pub order: Order,
    /// Most rows.
    pub limit: i64,
    /// Rows passed over first.
    pub offset: i64,
    /// Earliest `ts`, inclusive.
    pub since: Option<Ts>,
    /// Latest `ts`, inclusive.
    pub until: Option<Ts>,
    /// How much of each row.
    pub columns: Columns,
}

impl<'a> PageQuery<'a> {
    /// What the feed shows of the rows that pass `filter`.
    pub fn ticker(filter: Option<&'a Filter>, order: Order, limit: i64) -> Self {
        Self { filter, order, limit, offset: 0, since: None, until: None, columns: Columns::Ticker }
    }
}

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
                return Ok(page_of(&rows)?);
            }
        }
        // What was appended meanwhile has higher ids than anything that was not settled.
        let rows = self.rows(&Statement::of(query)).await?;
        Ok(page_of(&rows)?)
    }

    async fn rows(&self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        let params: Vec<_> = statement.params.iter().map(|param| param.bind()).collect();
        self.read(async |client| client.query_typed(&statement.sql, &params).await).await
    }
}

/// Reads the result of a [`Statement`]: there is a row, with the marks alone, even when no event matches.
pub(crate) fn page_of(rows: &[Row]) -> Result<Page, tokio_postgres::Error> {
    let mut page = Page { events: Vec::with_capacity(rows.len()), pruned_through: 0, newest: 0 };
    for row in rows {
        page.pruned_through = row.try_get("pruned_through")?;
        page.newest = row.try_get("newest")?;
        if row.try_get::<_, Option<i64>>(0)?.is_some() {
            page.events.push(StoredEvent::from_row(row)?);
        }
    }
    Ok(page)
}
