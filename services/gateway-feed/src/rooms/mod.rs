//! Rooms: live logs, each for the users who may read it.
//!
//! - `GET /api/v1/rooms`: the rooms that the user may read
//! - `GET`, `PUT`, `DELETE /api/v1/rooms/{id}`: reads, opens or changes, and closes a room
//! - `GET /api/v1/rooms/{id}/logs`: the log as a stream (`streams/rooms.rs`), or with `Accept:
//!   application/json` as a page
//! - `POST /api/v1/rooms/{id}/logs`: writes lines
//!
//! `lines.rs` appends the lines of a request to the table. The tail then reads them, and `streams/rooms.rs`
//! renders them for the viewers. `rights.rs` in this folder checks requests, and `crate::rights` ends open
//! streams. Both read the state of a room from the [`Directory`](crate::directory).

mod change;
mod errors;
mod lines;
mod list;
mod page;
mod requests;
mod rights;
mod view;

pub(crate) use errors::{id, no_such_room, not_yours, unavailable};
pub(crate) use page::wants_page;
pub(crate) use requests::Rooms;
pub(crate) use rights::may_read;
pub(crate) use view::{Defaults, StoredLine};
