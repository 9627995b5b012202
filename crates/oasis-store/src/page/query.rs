//! [`PageQuery`]: selects the rows of a page, their order, and the columns to read.

use oasis_core::{Channel, Ts};

use crate::filter::Filter;

/// The order of the rows of a page, and where the page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Descending ids.
    NewestFirst {
        /// Only rows with ids below this bound are read. With `None`, the page begins with the newest row.
        before: Option<i64>,
    },
    /// Ascending ids.
    OldestFirst {
        /// Only rows with ids above this bound are read.
        after: i64,
        /// Only rows with ids up to this bound are read.
        upto: i64,
    },
}

/// The columns that are read from each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// The ticker's fields.
    Ticker,
    /// The ticker's fields and `meta`.
    WithMeta,
    /// The ticker's fields, and `meta` for some rows: rows of channels other than the ticker's, rows of
    /// agents, and workflow runs. Readers that follow the table need no other `meta`.
    Tail,
}

impl Columns {
    /// The columns that the stream of a channel needs. The stream of the ticker does not contain `meta`. The
    /// streams of all other channels contain `meta`.
    pub fn of_channel(channel: &Channel) -> Self {
        if channel.is_devhub() { Self::Ticker } else { Self::WithMeta }
    }
}

/// The page that a reader requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageQuery<'a> {
    /// Selects the rows. `None` selects the rows of every channel.
    pub filter: Option<&'a Filter>,
    /// The order of the rows, and where the page begins.
    pub order: Order,
    /// The maximum number of rows of the page.
    pub limit: i64,
    /// How many rows to skip before the page begins.
    pub offset: i64,
    /// The earliest `ts`, inclusive.
    pub since: Option<Ts>,
    /// The latest `ts`, inclusive.
    pub until: Option<Ts>,
    /// The columns of each row.
    pub columns: Columns,
    /// The limit for the total size of `meta` and `link`, in bytes. The page ends with the row that exceeds
    /// the limit.
    pub most_bytes: Option<i64>,
}

impl<'a> PageQuery<'a> {
    /// The value of [`PageQuery::most_bytes`] for readers that read many pages, one after the other.
    pub const MOST_BYTES: i64 = 4 << 20;

    /// A query for the ticker's fields of the rows that pass `filter`, without bounds on time or bytes.
    pub fn ticker(filter: Option<&'a Filter>, order: Order, limit: i64) -> Self {
        Self {
            filter,
            order,
            limit,
            offset: 0,
            since: None,
            until: None,
            columns: Columns::Ticker,
            most_bytes: None,
        }
    }
}
