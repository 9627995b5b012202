//! Lists the resource events of a task.

use hyper::StatusCode;
use oasis_core::Vtid;
use oasis_service::{ApiError, Query, Request, Response, response};
use oasis_store::StoredEvent;
use serde::Serialize;

use super::requests::Resources;
use super::selection::Selection;
use super::view::View;
use crate::access::{Limits, Viewer};
use crate::query::params::bad;
use crate::turns::{Asker, Cost};

/// The maximum number of events in a list.
const MOST: usize = 100;
/// The number of rows of one read.
const ROWS: i64 = 500;
/// The maximum number of reads. Many rows may be outside the limits of the user.
const MOST_READS: usize = 20;

#[derive(Serialize)]
struct Listed<'a> {
    events: Vec<View<'a>>,
}

impl Resources {
    /// Answers with the last resource events of a task that the user may read, newest first.
    ///
    /// # Errors
    /// 400 for a bad parameter; 503 if the table cannot be read.
    pub(crate) async fn list(&self, viewer: &Viewer, request: &Request) -> Result<Response, ApiError> {
        let query = Query::parse(request.uri().query(), &["vtid", "token"])?;
        let vtid = query.get("vtid").ok_or_else(|| {
            bad("vtid", "it is missing").hint("to follow resource events live, read /api/v1/events/stream")
        })?;
        let vtid = Vtid::parse(vtid).map_err(|why| bad("vtid", why))?;
        let read = self.last_of(&vtid, &viewer.limits);
        let shown = self.turns.read(Asker::of_viewer(viewer, request), Cost::Expensive, read).await?;
        let events = shown.iter().take(MOST).map(|row| View { row, with_id: true }).collect();
        response::json(StatusCode::OK, &Listed { events })
    }

    /// Reads at least [`MOST`] events of a task that are within the limits of the user, if there are so many.
    async fn last_of(&self, vtid: &Vtid, limits: &Limits) -> Result<Vec<StoredEvent>, ApiError> {
        let readable = Selection::of_limits(limits);
        let (mut shown, mut before) = (Vec::new(), i64::MAX);
        for _ in 0..MOST_READS {
            let rows = self.store.resource_events(vtid, before, ROWS).await.map_err(|error| {
                ApiError::unavailable("database_unavailable", "resource events cannot be read now", error)
            })?;
            let is_last = (rows.len() as i64) < ROWS;
            before = rows.last().map_or(before, |last| last.id);
            shown.extend(rows.into_iter().filter(|row| readable.contains(row)));
            if is_last || shown.len() >= MOST {
                break;
            }
        }
        Ok(shown)
    }
}
