//! Answers with lines of a room as a page of JSON.

use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderMap};
use oasis_core::room::{AgentType, LogLevel, RoomId};
use oasis_service::{ApiError, Query, Request, Response, response};
use oasis_store::{LineBound, LineQuery};
use serde::Serialize;

use super::errors::{no_such_room, unavailable};
use super::requests::Rooms;
use super::rights::check_reader;
use super::view::{Defaults, Line, StoredLine};
use crate::access::Viewer;
use crate::query::params;
use crate::turns::{Asker, Cost};

/// The default number of lines of a page.
const LINES: i64 = 100;
/// The maximum number of lines of a page.
const MOST_LINES: i64 = 1_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    room_id: &'a str,
    /// Oldest first.
    lines: Vec<Line<'a>>,
    /// The value of `before` for the next page, or of `after` if this request had `after`. Null if no row was
    /// found for a request without `before` and `after`.
    cursor: Option<i64>,
    /// Whether there may be more lines in the direction of the page.
    more: bool,
}

/// Whether a client asks for a page, and not for a stream.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types =
        accepted.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or(""));
    types.any(|one| one.trim().eq_ignore_ascii_case("application/json"))
}

impl Rooms {
    /// Answers with a page of lines.
    ///
    /// # Errors
    /// 404 if the room does not exist; 403 if the viewer may not read it; 400 for a bad parameter; 503 if the
    /// table cannot be read.
    pub(crate) async fn page(
        &self,
        room: &RoomId,
        viewer: &Viewer,
        request: &Request,
    ) -> Result<Response, ApiError> {
        check_reader(&*self.state(room).await?, viewer)?;
        let query = params(request, room)?;
        let has_filter =
            !query.levels.is_empty() || !query.agent_types.is_empty() || query.contains.is_some();
        let cost = if has_filter { Cost::Expensive } else { Cost::Cheap };
        let read = async { self.store.room_lines(&query).await.map_err(|error| unavailable(error.into())) };
        let found = self.turns.read(Asker::of_viewer(viewer, request), cost, read).await?;
        // The right to read may have ended before the last line was written. So the right is checked again,
        // in a snapshot that is not older than the lines.
        if let Some(last) = found.lines.last() {
            self.revocations.check_up_to(last.id, viewer, &self.store).await?;
        }
        let state = self.fresh_state(room).await?.ok_or_else(|| no_such_room(room))?;
        check_reader(&state, viewer)?;
        let defaults = Defaults::new();
        let stored: Vec<StoredLine<'_>> = found.lines.iter().map(StoredLine::read).collect();
        let lines = stored.iter().zip(&found.lines);
        let lines = lines.map(|(stored, row)| stored.line(row, &defaults).with_id(row.id));
        let page = Page {
            room_id: room.as_str(),
            lines: lines.collect(),
            cursor: Some(found.cursor).filter(|cursor| *cursor < i64::MAX),
            more: found.more,
        };
        response::json(StatusCode::OK, &page)
    }
}

/// Reads the parameters of a page.
fn params(request: &Request, room: &RoomId) -> Result<LineQuery, ApiError> {
    const NAMES: &[&str] = &["before", "after", "limit", "level", "agentType", "q", "token"];
    let query = Query::parse(request.uri().query(), NAMES)?;
    let id = |name| params::number(&query, name, 0..=i64::MAX);
    let bound = match (id("before")?, id("after")?) {
        (None, None) => LineBound::Newest,
        (Some(before), None) => LineBound::Before(before),
        (None, Some(after)) => LineBound::After(after),
        (Some(_), Some(_)) => return Err(params::bad("after", "a page has either `before` or `after`")),
    };
    let limit = params::number(&query, "limit", 1..=MOST_LINES)?.unwrap_or(LINES);
    let levels = params::values::<LogLevel>(&query, "level")?;
    let agent_types = params::list(&query, "agentType")?;
    let agent_types = agent_types.into_iter().map(AgentType::parse).collect::<Result<Vec<_>, _>>();
    let agent_types = agent_types.map_err(|why| params::bad("agentType", why))?;
    let text = query.get("q").filter(|text| !text.is_empty()).map(str::to_owned);
    if text.as_ref().is_some_and(|text| text.len() > 256 || text.contains('\0')) {
        return Err(params::bad("q", "expected at most 256 bytes without NUL characters"));
    }
    Ok(LineQuery { room: room.clone(), bound, limit, levels, agent_types, contains: text })
}
