//! Lists the rooms that a user may read.

use hyper::StatusCode;
use oasis_core::Task;
use oasis_service::{ApiError, Query, Request, Response, response};
use oasis_store::RoomQuery;
use serde::Serialize;

use super::errors::unavailable;
use super::requests::Rooms;
use super::view::Room;

use crate::access::Viewer;
use crate::query::params;
use crate::turns::{Asker, Cost};

/// The default number of rooms of a page.
const ROOMS: i64 = 50;
/// The maximum number of rooms of a page.
const MOST_ROOMS: i64 = 200;

#[derive(Serialize)]
struct List<'a> {
    /// The room that changed last comes first.
    rooms: Vec<Room<'a>>,
    /// The value of `before` for the next page. Null on the last page.
    next: Option<i64>,
}

impl Rooms {
    /// Lists the rooms that `viewer` may read.
    ///
    /// # Errors
    /// 400 for a bad parameter; 503 if the table cannot be read.
    pub(crate) async fn list(&self, viewer: &Viewer, request: &Request) -> Result<Response, ApiError> {
        let query = Query::parse(request.uri().query(), &["limit", "before", "vtid", "token"])?;
        let limit = params::number(&query, "limit", 1..=MOST_ROOMS)?.unwrap_or(ROOMS);
        let vtid = query.get("vtid").map(|vtid| vtid.parse::<Task>());
        let vtid = vtid.transpose().map_err(|why| params::bad("vtid", why))?;
        let before = params::number(&query, "before", 0..=i64::MAX)?;
        let query = RoomQuery { limit, before, vtid };
        let read =
            async { self.store.rooms(&viewer.user, &query).await.map_err(|error| unavailable(error.into())) };
        let page = self.turns.read(Asker::of_viewer(viewer, request), Cost::Cheap, read).await?;
        let rooms = page
            .rooms
            .iter()
            .map(|room| Room::new(room.channel.id().unwrap_or_default(), &room.state))
            .collect();
        response::json(StatusCode::OK, &List { rooms, next: page.next })
    }
}
