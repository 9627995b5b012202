//! Checks who may do what in a room. `crate::rights` ends the streams of viewers whose right has ended.

use oasis_core::RoomState;
use oasis_core::room::{Readers, RoomId};
use oasis_service::ApiError;

use super::errors::{no_such_room, not_yours};
use crate::access::{Caller, PrivateStream, Viewer};

/// Whether a viewer may read a room.
pub(crate) fn may_read(room: &RoomState, viewer: &Viewer) -> bool {
    match room.readers {
        Readers::SignedIn => true,
        Readers::Owner => owns(room, viewer),
    }
}

fn owns(room: &RoomState, viewer: &Viewer) -> bool {
    room.owner.as_deref() == Some(&*viewer.user)
}

/// Checks that a viewer may read a room.
///
/// # Errors
/// 403 if only the owner may read the room.
pub(super) fn check_reader(room: &RoomState, viewer: &Viewer) -> Result<(), ApiError> {
    if may_read(room, viewer) { Ok(()) } else { Err(not_yours()) }
}

/// Checks that a caller may write to a room: a service, or the owner.
///
/// # Errors
/// 403 if the caller may not write.
pub(super) fn check_writer(room: &RoomState, caller: &Caller<'_>) -> Result<(), ApiError> {
    match caller {
        Caller::Service(_) => caller.check_service(PrivateStream::Rooms),
        Caller::Viewer(viewer) => {
            if owns(room, viewer) {
                Ok(())
            } else {
                Err(ApiError::forbidden("not_your_room", "only the owner of this room may write to it"))
            }
        }
    }
}

/// Checks that a caller may open a room.
///
/// # Errors
/// 403 if the caller may write to no room; 404 if the caller is a user.
pub(super) fn check_opener(room: &RoomId, caller: &Caller<'_>) -> Result<(), ApiError> {
    match caller {
        Caller::Service(_) => caller.check_service(PrivateStream::Rooms),
        Caller::Viewer(_) => Err(no_such_room(room)),
    }
}
