//! [`PageQuery`]: which rows a reader wants, which way, and how much of each.

use oasis_core::{Channel, Ts};

use crate::filter::Filter;

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
    /// `meta` too, of the rows whose readers need it when they follow the table: those of other channels
    /// than the ticker's, those of agents, and those of workflow runs.
    Tail,
}

impl Columns {
    /// What the stream of a channel shows: the ticker has no `meta`, and what other streams show is in it.
    pub fn of_channel(channel: &Channel) -> Self {
        if channel.is_devhub() { Self::Ticker } else { Self::WithMeta }
    }
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
    /// The page ends with the row with which its `meta` and `link` exceed so many bytes.
    pub most_bytes: Option<i64>,
}

impl<'a> PageQuery<'a> {
    /// What [`PageQuery::most_bytes`] should be wherever somebody reads one page after the other.
    pub const MOST_BYTES: i64 = 4 << 20;

    /// What the feed shows of the rows that pass `filter`.
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
