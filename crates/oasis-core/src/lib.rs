//! The OASIS event and everything that is a pure function of it: the grammars of its ten strict
//! fields, VTID extraction, status normalisation, titles and refs.
//!
//! Nothing here performs IO, reads a clock or knows of a database. Input is parsed once, at the edge,
//! into the types of this crate; code behind them never validates again. The CHECK constraints of
//! `migrations/` say the same in SQL, so that a row no one of these types could hold cannot be stored
//! by any other client either.

pub mod github;
pub mod meta;
pub mod ping;

mod chain;
mod event;
mod link;
mod names;
mod sets;
mod ts;
mod vtid;

pub use chain::chain;
pub use event::{DedupKey, Event, NewEvent, TICKER_FIELDS, Ticker};
pub use link::Link;
pub use meta::{Meta, MetaValue};
pub use names::{Channel, Kind, Layer, Module};
pub use sets::{Source, Status};
pub use ts::Ts;
pub use vtid::{Prefixes, Task, Vtid};

/// A value that its grammar forbids. The message is meant for whoever sent the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    /// A rejection with the sentence that the sender reads.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// `value` as it may stand in a message: escaped, and cut so that hostile input cannot flood a log.
pub(crate) fn shown(value: &str) -> String {
    const MOST: usize = 80;
    match value.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{:?}…", &value[..cut]),
        None => format!("{value:?}"),
    }
}
