//! An event as the feed or the query API sends it, and the words that describe it to a person.

mod describe;
mod model;
mod nature;

pub(crate) use describe::Description;
pub(crate) use model::Event;
pub(crate) use nature::Nature;
