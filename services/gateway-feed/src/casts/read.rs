//! Shows a cast to its owner, and lists the casts of a user.

use hyper::StatusCode;
use hyper::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use oasis_core::cast::CastId;
use oasis_service::{ApiError, Query, Request, Response, response};
use serde::Serialize;

use super::errors::{not_yours, unavailable};
use super::requests::Casts;
use super::view::Cast;
use crate::access::Viewer;
use crate::query::params;
use crate::turns::{Asker, Cost};

/// The default number of casts of a page.
const DEFAULT_LIMIT: i64 = 20;
/// The maximum number of casts of a page.
const MAX_LIMIT: i64 = 100;
/// The last page that can be read.
const LAST_PAGE: i64 = 1_000_000;

#[derive(Serialize)]
struct List<'a> {
    /// The newest cast comes first.
    casts: Vec<Cast<'a>>,
    pagination: Pagination,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    page: i64,
    limit: i64,
    total: i64,
    total_pages: i64,
}

impl Casts {
    /// Shows a cast. The header `ETag` changes whenever the cast changes.
    ///
    /// # Errors
    /// 404 if the cast does not exist; 403 if the viewer is not its owner; 503 if the table cannot be read.
    pub(crate) async fn show(
        &self,
        cast: &CastId,
        viewer: &Viewer,
        request: &Request,
    ) -> Result<Response, ApiError> {
        Query::parse(request.uri().query(), &["token"])?;
        let state = self.existing(cast).await?;
        if !state.is_owned_by(&viewer.user) {
            return Err(not_yours());
        }
        let etag = format!("\"{}\"", state.last_id);
        let known = request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|known| known.to_str().ok());
        let is_known = |tag: &str| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*";
        let mut answer = if known.flat_map(|list| list.split(',')).any(is_known) {
            response::status(StatusCode::NOT_MODIFIED)
        } else {
            response::json(StatusCode::OK, &Cast::new(cast.as_str(), &state))?
        };
        // The tag consists of digits and quotes.
        answer.headers_mut().extend(HeaderValue::from_str(&etag).ok().map(|etag| (ETAG, etag)));
        Ok(answer)
    }

    /// Lists the casts of `viewer`.
    ///
    /// # Errors
    /// 400 for a bad parameter; 503 if the table cannot be read.
    pub(crate) async fn list(&self, viewer: &Viewer, request: &Request) -> Result<Response, ApiError> {
        let query = Query::parse(request.uri().query(), &["page", "limit", "token"])?;
        let page = params::number(&query, "page", 1..=LAST_PAGE)?.unwrap_or(1);
        let limit = params::number(&query, "limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        let read = async {
            let found = self.store.casts(&viewer.user, (page - 1) * limit, limit).await;
            found.map_err(|error| unavailable(error.into()))
        };
        let found = self.turns.read(Asker::of_viewer(viewer, request), Cost::Cheap, read).await?;
        let casts = found.casts.iter();
        let casts = casts.map(|cast| Cast::new(cast.channel.id().unwrap_or_default(), &cast.state)).collect();
        let total_pages = found.total.div_euclid(limit) + i64::from(found.total % limit > 0);
        let pagination = Pagination { page, limit, total: found.total, total_pages };
        response::json(StatusCode::OK, &List { casts, pagination })
    }
}
