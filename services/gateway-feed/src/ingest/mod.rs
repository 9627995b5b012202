//! Answers `POST /events/ingest` and `POST /api/v1/oasis/events`. A request has one event or an array of
//! events, each in one of three forms. Either all events of a request are stored, or none.

mod answer;
mod cloud;
mod events;
mod fields;
mod json;
mod older;
mod plain;

pub(crate) use answer::answer;
