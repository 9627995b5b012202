//! [`Rooms`]: answers the requests about rooms, except the stream. Its methods are in `change.rs`,
//! `lines.rs`, `list.rs` and `page.rs`.

use std::sync::Arc;

use oasis_core::RoomState;
use oasis_core::room::RoomId;
use oasis_service::ApiError;
use oasis_store::{Appender, Store};

use super::errors::{no_such_room, unavailable};
use crate::access::{Caller, Revocations};
use crate::directory::Directory;
use crate::turns::Turns;

/// Answers the requests about rooms. See the head of this file.
pub(crate) struct Rooms {
    pub(super) store: Store,
    pub(super) appender: Appender,
    pub(super) directory: Arc<Directory<RoomState>>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) turns: Turns,
}

impl Rooms {
    pub(crate) fn new(
        store: Store,
        appender: Appender,
        (directory, revocations): (Arc<Directory<RoomState>>, Arc<Revocations>),
        turns: Turns,
    ) -> Self {
        Self { store, appender, directory, revocations, turns }
    }

    /// The state of a room, as far as the tail has read the table.
    ///
    /// # Errors
    /// 404 if the room does not exist; 503 if the table cannot be read.
    pub(super) async fn state(&self, room: &RoomId) -> Result<Arc<RoomState>, ApiError> {
        let found = self.directory.state(room.channel()).await.map_err(unavailable)?;
        found.ok_or_else(|| no_such_room(room))
    }

    /// The state of a room, read from the table now. `None` if the room does not exist.
    ///
    /// # Errors
    /// 503 if the table cannot be read.
    pub(super) async fn fresh_state(&self, room: &RoomId) -> Result<Option<Arc<RoomState>>, ApiError> {
        self.directory.read(room.channel()).await.map_err(unavailable)
    }

    /// Checks that the credential of the caller has not been revoked since the request began.
    ///
    /// # Errors
    /// See [`Revocations::check`].
    pub(super) fn check_revoked(&self, caller: &Caller<'_>) -> Result<(), ApiError> {
        match caller {
            Caller::Service(_) => Ok(()),
            Caller::Viewer(viewer) => Ok(self.revocations.check(viewer)?),
        }
    }
}
