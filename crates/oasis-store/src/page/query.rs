//! [`PageQuery`]: selects the rows of a page, their order, and the columns to read.

use oasis_core::{Channel, Ts};

use crate::filter::Filter;

/// The order of a page, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Descending ids, all below `before`.
    NewestFirst {
        /// Exclusive bound.
        before: Option<i64>,
    },
    /// Ascending ids above `after`, up to and including `upto`.
    OldestFirst {
        /// Exclusive bound.
        after: i64,
        /// Inclusive bound.
        upto: i64,
    },
}

/// The columns that are read of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// The ticker's fields.
    Ticker,
    /// The ticker's fields and `meta`.
    WithMeta,
    /// The ticker's fields, and `meta` of the rows whose readers need it when they follow the table: rows
    /// of channels other than the ticker's, rows of agents, and workflow runs.
    Tail,
}

impl Columns {
    /// The columns that the stream of a channel needs. The ticker shows no `meta`; the other streams show
    /// it.
    pub fn of_channel(channel: &Channel) -> Self {
        if channel.is_devhub() { Self::Ticker } else { Self::WithMeta }
    }
}

/// One page that a reader asks for.
#[derive(Debug, Clone)]
pub struct PageQuery<'a> {
    /// Selects the rows. `None` takes the rows of every channel.
    pub filter: Option<&'a Filter>,
    /// The order of the rows, and where the page begins.
    pub order: Order,
    /// The most rows of the page.
    pub limit: i64,
    /// How many rows to skip before the page begins.
    pub offset: i64,
    /// Earliest `ts`, inclusive.
    pub since: Option<Ts>,
    /// Latest `ts`, inclusive.
    pub until: Option<Ts>,
    /// The columns of each row.
    pub columns: Columns,
    /// The page ends with the row that takes the total of its `meta` and `link` above this many bytes.
    pub most_bytes: Option<i64>,
}

impl<'a> PageQuery<'a> {
    /// The [`PageQuery::most_bytes`] of readers that read one page after the other.
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
