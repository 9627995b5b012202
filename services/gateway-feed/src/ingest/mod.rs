//! Answers `POST /events/ingest` and `POST /api/v1/oasis/events`: one event or an array of them, in three
//! forms, all or nothing.

mod answer;
mod cloud;
mod events;
mod fields;
mod json;
mod older;
mod plain;

pub(crate) use answer::answer;
