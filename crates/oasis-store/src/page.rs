//! Reading pages of the table: the one query behind replay, resume, filters and the query API.

mod query;
mod read;
mod replay;
mod statement;

pub use query::{Columns, Order, PageQuery};
pub use read::Page;

pub(crate) use read::page_of;
pub(crate) use statement::{Statement, fields};
