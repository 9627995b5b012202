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
mod channel;
mod event;
mod invalid;
mod link;
mod names;
mod sets;
mod ts;
mod vtid;

pub use chain::chain;
pub use channel::{Channel, Family};
pub use event::{DedupKey, Event, NewEvent, TICKER_FIELDS, Ticker};
pub use invalid::Invalid;
pub use link::Link;
pub use meta::{Meta, MetaValue};
pub use names::{Kind, Layer, Module};
pub use sets::{Source, Status};
pub use ts::Ts;
pub use vtid::{Prefixes, Task, Vtid};
