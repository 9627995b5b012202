//! Stores the items of a write to a private stream, and answers the request.

use hyper::StatusCode;
use oasis_core::NewEvent;
use oasis_service::{ApiError, Response, response};
use oasis_store::Appender;
use serde::Serialize;
use tokio::time::Instant;

use super::answer::not_stored;

/// The answer to a request whose items were stored.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    accepted: usize,
    /// The id of the last item. Null if an earlier request stored the item, and the item has been pruned.
    last_id: Option<i64>,
}

/// Stores the items of a request, which arrived at `arrived`. If they are not stored, `again` says how the
/// client sends the request again.
///
/// # Errors
/// As for [`not_stored`].
pub(crate) async fn store_items(
    appender: &Appender,
    items: Vec<NewEvent>,
    arrived: Instant,
    again: &'static str,
) -> Result<Response, ApiError> {
    let accepted = items.len();
    let appended = appender.append(items, arrived).await.map_err(|error| not_stored(error, again))?;
    let last_id = appended.last().and_then(|last| last.id);
    response::json(StatusCode::CREATED, &Stored { accepted, last_id })
}
