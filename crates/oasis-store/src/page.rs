//! Reads pages of the table: the one query behind replay, resume, filters and the query API.

mod by_time;
mod param;
mod query;
mod read;
mod replay;
mod statement;
mod walk;

pub use query::{Columns, Order, PageQuery};
pub use read::Page;

pub(crate) use statement::{PageStatement, fields};
