//! Opens, changes, shows and closes a room.

use std::sync::Arc;

use hyper::StatusCode;
use jiff::Timestamp;
use oasis_core::room::{Readers, RoomChange, RoomId};
use oasis_core::{MOST_NAME_BYTES, RoomState, Ts, is_name};
use oasis_service::{ApiError, Query, Request, RequestContext, Response, response};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::errors::no_such_room;
use super::requests::Rooms;
use super::rights::{check_opener, check_reader, check_writer};
use super::view::Room;
use crate::access::{Caller, Viewer};
use crate::ingest::{json_body, json_object, not_stored};

/// The maximum size of the body of a request, in bytes.
const MOST_BYTES: usize = 16 << 10;

/// The members of a request that opens or changes a room. An absent member is `None`, and null is
/// `Some(None)`.
struct Wanted {
    owner: Option<Option<String>>,
    readers: Option<Readers>,
    title: Option<Option<String>>,
}

impl Rooms {
    /// Shows a room.
    ///
    /// # Errors
    /// 404 if the room does not exist; 403 if the viewer may not read it.
    pub(crate) async fn show(
        &self,
        room: &RoomId,
        viewer: &Viewer,
        request: &Request,
    ) -> Result<Response, ApiError> {
        Query::parse(request.uri().query(), &["token"])?;
        let state = self.fresh_state(room).await?.ok_or_else(|| no_such_room(room))?;
        check_reader(&state, viewer)?;
        response::json(StatusCode::OK, &Room::new(room.as_str(), &state))
    }

    /// Opens a room, or changes an existing room. The answer is the room: 201 if it is new, or else 200.
    ///
    /// # Errors
    /// 400 or 413 for a bad body; 403 if the caller may not do this; 404 if a user changes a room that does
    /// not exist; 415 if the body is not JSON; 503 if the table cannot be written.
    pub(crate) async fn put(
        &self,
        room: &RoomId,
        caller: Caller<'_>,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        Query::parse(request.uri().query(), &[])?;
        self.changeable(room, &caller).await?;
        let wanted = Wanted::parse(json_object(&json_body(request, context, MOST_BYTES).await?)?)?;
        let arrived = Instant::now();
        // The room and the rights of the caller may have changed while the body arrived.
        let state = self.changeable(room, &caller).await?;
        if matches!(caller, Caller::Viewer(_)) && wanted.owner.is_some() {
            return Err(ApiError::forbidden(
                "owner_not_allowed",
                "only a service may set the owner of a room",
            ));
        }
        let state = match state {
            Some(state) => state,
            None => {
                let is_new = self.append(room, wanted.opening()?, &caller, arrived).await?;
                let state = self.fresh_state(room).await?.ok_or_else(|| no_such_room(room))?;
                if is_new {
                    return response::json(StatusCode::CREATED, &Room::new(room.as_str(), &state));
                }
                // Another request has opened the room in the meantime.
                state
            }
        };
        let state = match wanted.change(&state)? {
            None => state,
            Some(change) => {
                self.append(room, change, &caller, arrived).await?;
                self.fresh_state(room).await?.ok_or_else(|| no_such_room(room))?
            }
        };
        response::json(StatusCode::OK, &Room::new(room.as_str(), &state))
    }

    /// The state of a room that the caller may change. `None` if the room does not exist, and the caller may
    /// open it.
    async fn changeable(
        &self,
        room: &RoomId,
        caller: &Caller<'_>,
    ) -> Result<Option<Arc<RoomState>>, ApiError> {
        self.check_revoked(caller)?;
        let state = self.fresh_state(room).await?;
        match &state {
            Some(state) => check_writer(state, caller)?,
            None => check_opener(room, caller)?,
        }
        Ok(state)
    }

    /// Closes a room. The answer is the room. A room that is closed already stays as it is.
    ///
    /// # Errors
    /// 403 if the caller may not do this; 404 if the room does not exist; 503 if the table cannot be written.
    pub(crate) async fn close(
        &self,
        room: &RoomId,
        caller: Caller<'_>,
        request: &Request,
    ) -> Result<Response, ApiError> {
        let arrived = Instant::now();
        Query::parse(request.uri().query(), &[])?;
        let state = self.fresh_state(room).await?.ok_or_else(|| no_such_room(room))?;
        check_writer(&state, &caller)?;
        let state: Arc<RoomState> = if state.is_closed {
            state
        } else {
            self.append(room, RoomChange::Closed, &caller, arrived).await?;
            self.fresh_state(room).await?.ok_or_else(|| no_such_room(room))?
        };
        response::json(StatusCode::OK, &Room::new(room.as_str(), &state))
    }

    /// Appends a change. Returns false if the room was opened or closed before by the same kind of change.
    async fn append(
        &self,
        room: &RoomId,
        change: RoomChange,
        caller: &Caller<'_>,
        arrived: Instant,
    ) -> Result<bool, ApiError> {
        let now = Ts::clamped(Timestamp::now());
        let event = change.into_event(room, now);
        let event = event.map_err(|why| ApiError::bad_request("bad_room", why.to_string()))?;
        let appended = self.appender.of(caller.lane()).append(vec![event], arrived).await;
        let appended = appended.map_err(|error| not_stored(error, "send the request again"))?;
        // The tail of this gateway forgets the state too, but a little later.
        self.directory.forget(room.channel());
        Ok(appended.iter().all(|appended| !appended.duplicate))
    }
}

impl Wanted {
    fn parse(mut members: Map<String, Value>) -> Result<Self, ApiError> {
        let wanted = Self {
            owner: text(&mut members, "owner")?,
            readers: match members.remove("readers") {
                None => None,
                Some(Value::String(readers)) => Some(readers.parse().map_err(|why| bad("readers", why))?),
                Some(_) => return Err(bad("readers", format!("expected one of {}", Readers::list()))),
            },
            title: text(&mut members, "title")?,
        };
        match members.keys().next() {
            None => Ok(wanted),
            Some(name) => {
                let shown: String = name.chars().take(64).collect();
                Err(bad(&shown, "unknown field").hint("a room has the fields owner, readers and title"))
            }
        }
    }

    /// The row that opens the room.
    fn opening(&self) -> Result<RoomChange, ApiError> {
        let (owner, readers) = (self.owner.clone().flatten(), self.readers.unwrap_or(Readers::SignedIn));
        check_owner(owner.as_deref(), readers)?;
        Ok(RoomChange::Opened { owner, readers, title: self.title.clone().flatten() })
    }

    /// The row that gives `room` the members of the request. `None` if nothing changes.
    fn change(self, room: &RoomState) -> Result<Option<RoomChange>, ApiError> {
        let owner = self.owner.filter(|owner| *owner != room.owner);
        let readers = self.readers.filter(|readers| *readers != room.readers);
        let title = self.title.filter(|title| *title != room.title);
        let new_owner = owner.as_ref().unwrap_or(&room.owner);
        check_owner(new_owner.as_deref(), readers.unwrap_or(room.readers))?;
        let is_same = owner.is_none() && readers.is_none() && title.is_none();
        Ok((!is_same).then_some(RoomChange::Updated { owner, readers, title }))
    }
}

/// Checks that there is an owner, if only the owner may read.
fn check_owner(owner: Option<&str>, readers: Readers) -> Result<(), ApiError> {
    match (owner, readers) {
        (None, Readers::Owner) => {
            Err(bad("readers", "`owner` needs an owner, because no one could read the room otherwise"))
        }
        (Some(_), _) | (None, Readers::SignedIn) => Ok(()),
    }
}

/// Removes a text or null from the members.
fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<Option<String>>, ApiError> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::String(text)) if is_name(&text) => Ok(Some(Some(text))),
        Some(_) => Err(bad(
            name,
            format!("expected null or a text of 1 to {MOST_NAME_BYTES} bytes without control characters"),
        )),
    }
}

fn bad(name: &str, why: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request("bad_room", format!("`{name}`: {why}"))
}
