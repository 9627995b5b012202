//! Reads pages of the table. Replay, resume, filters and the query API all use these pages.

mod by_time;
mod deep;
mod param;
mod query;
mod read;
mod replay;
mod statement;
mod walk;

pub use query::{Columns, Order, PageQuery};
pub use read::Page;

pub(crate) use param::Params;
pub(crate) use statement::{PageStatement, STATE, fields};
