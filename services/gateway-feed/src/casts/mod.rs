//! Casts: each cast is one job, whose owner follows it from its start to its end.
//!
//! - `POST /api/casts`: a service opens a cast
//! - `GET /api/casts`: a user lists the user's casts
//! - `GET /api/casts/{id}`: the owner reads a cast
//! - `PATCH /api/casts/{id}`: a service changes a cast
//! - `GET /api/casts/{id}/events`: the stream of a cast (`streams/casts.rs`)
//! - `GET /api/casts/events`: the stream of all casts of a user
//! - `GET /api/v1/audit`, `GET /api/v1/audit/summary`: an administrator reads the audit log, or a summary
//!
//! `open.rs` and `change.rs` append rows to the table. A trigger computes the state of the cast from them.
//! The [`Directory`](crate::directory) reads the states. [`Runs`] appends rows for the workflow runs of
//! GitHub. [`Places`] limits the streams of a user, and [`Audit`] reports them.

mod audit;
mod change;
mod errors;
mod fields;
mod frames;
mod log;
mod open;
mod places;
mod rate;
mod read;
mod requests;
mod runs;
mod view;

pub(crate) use audit::{Audit, Client, OpenStream, Refused, store_rows};
pub(crate) use errors::{id, no_such_cast, not_yours, unavailable, with_cast_code};
pub(crate) use frames::{Frames, complete, end};
pub(crate) use places::{Lease, Places};
pub(crate) use rate::{Rate, too_many};
pub(crate) use requests::Casts;
pub(crate) use runs::Runs;
pub(crate) use view::{all_fields, changed_fields};
