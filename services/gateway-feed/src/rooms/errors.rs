//! The errors of requests about rooms.

use oasis_core::room::RoomId;
use oasis_service::ApiError;

use crate::batch::ReadError;

/// Parses the id in a path.
///
/// # Errors
/// 404 if the text is not the id of a room.
pub(crate) fn id(text: &str) -> Result<RoomId, ApiError> {
    RoomId::parse(text).map_err(|why| ApiError::not_found().hint(why.to_string()))
}

/// 404: the room does not exist.
pub(crate) fn no_such_room(room: &RoomId) -> ApiError {
    ApiError::unknown("no_such_room", format!("the room {room} does not exist"))
        .hint(format!("a service opens a room with PUT /api/v1/rooms/{room}"))
}

/// 503: the table cannot be read.
pub(crate) fn unavailable(error: ReadError) -> ApiError {
    ApiError::unavailable("database_unavailable", "the room cannot be read now", error)
}

/// 403: only the owner may read the room.
pub(crate) fn not_yours() -> ApiError {
    ApiError::forbidden("not_your_room", "only the owner of this room may read it")
}
