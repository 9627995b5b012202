//! Answers `POST /events/ingest` and the other paths of ingest. A request has one event or an array of
//! events. Each event has one of four forms. Either all events of a request are stored, or none. The files
//! `fields.rs`, `items.rs`, `object.rs`, `idempotency.rs` and `store.rs` also serve the writes to private
//! streams.

mod answer;
mod cloud;
mod events;
mod fields;
mod form;
mod idempotency;
mod items;
mod json;
mod object;
mod store;
mod strict;

pub(crate) use answer::{answer, not_stored};
pub use events::read_events;
pub(crate) use fields::{Fields, Refusal};
pub(crate) use idempotency::{KeyScope, idempotency_key};
pub(crate) use items::{ItemWords, items, json_body};
pub(crate) use object::json_object;
pub(crate) use store::store_items;
