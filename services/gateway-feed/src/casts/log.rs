//! Shows the audit log, and a summary of it, to administrators.

use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use oasis_core::{Meta, Ts, is_name};
use oasis_service::{ApiError, Query, Request, Response, response};
use oasis_store::{AuditQuery, AuditSummary, StoredEvent};
use serde::Serialize;
use serde_json::{Map, Value};

use super::audit::KINDS;
use super::errors::unavailable;
use super::requests::Casts;
use crate::access::Viewer;
use crate::query::params;
use crate::turns::{Asker, Cost};

/// The default number of rows of a page.
const DEFAULT_LIMIT: i64 = 50;
/// The maximum number of rows of a page.
const MAX_LIMIT: i64 = 500;
/// The default and the maximum length of the period of a summary.
const DEFAULT_HOURS: i64 = 24;
const MAX_HOURS: i64 = 31 * 24;

#[derive(Serialize)]
struct Log {
    /// The newest row comes first.
    rows: Vec<Row>,
    /// The value of `before` for the next page; null on the last page.
    next: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: i64,
    action: String,
    created_at: Ts,
    #[serde(flatten)]
    about: Map<String, Value>,
}

impl Row {
    fn new(row: &StoredEvent) -> Self {
        let about = row.meta.as_ref().map(Meta::as_map).cloned().unwrap_or_default();
        Self {
            id: row.id,
            action: row.kind.as_str().to_owned(),
            created_at: Ts::clamped(row.recorded_at),
            about,
        }
    }
}

/// The streams of casts of all users in a period.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    /// When the period began. It lasts until now.
    since: Ts,
    /// The streams that are open now, over all gateways.
    open: Streams,
    /// The streams that have begun.
    opened: Streams,
    /// The number of requests that were refused.
    refused: i64,
    /// The durations of the streams that have ended.
    duration: Durations,
    /// Why streams have ended; the most frequent reason comes first.
    reasons: Vec<Reason>,
    /// Whether the whole period is counted. If not, only the newest rows of the log are.
    complete: bool,
}

#[derive(Serialize)]
struct Streams {
    streams: i64,
    users: i64,
}

/// In milliseconds; null if no stream has ended.
#[derive(Serialize)]
struct Durations {
    median: Option<i64>,
    average: Option<i64>,
}

#[derive(Serialize)]
struct Reason {
    reason: String,
    streams: i64,
}

impl Summary {
    fn new(since: Ts, sums: AuditSummary) -> Self {
        let whole = |ms: Option<f64>| ms.map(|ms| ms.round() as i64);
        Self {
            since,
            open: Streams { streams: sums.open_streams, users: sums.open_users },
            opened: Streams { streams: sums.opened, users: sums.opened_users },
            refused: sums.refused,
            duration: Durations { median: whole(sums.median_ms), average: whole(sums.average_ms) },
            reasons: sums.reasons.into_iter().map(|(reason, streams)| Reason { reason, streams }).collect(),
            complete: sums.is_whole,
        }
    }
}

fn must_be_admin(viewer: &Viewer) -> Result<(), ApiError> {
    if viewer.is_admin {
        return Ok(());
    }
    Err(ApiError::forbidden("not_an_administrator", "only administrators read the audit log")
        .hint("send a token with the claim \"oasis.admin\": true"))
}

impl Casts {
    /// Sums the audit log up.
    ///
    /// # Errors
    /// 403 if the viewer is no administrator; 400 for a bad parameter; 503 if the table cannot be read.
    pub(crate) async fn summary(&self, viewer: &Viewer, request: &Request) -> Result<Response, ApiError> {
        must_be_admin(viewer)?;
        let query = Query::parse(request.uri().query(), &["hours", "token"])?;
        let hours = params::number(&query, "hours", 1..=MAX_HOURS)?.unwrap_or(DEFAULT_HOURS);
        let since = Timestamp::now() - SignedDuration::from_hours(hours);
        let read = async { self.store.audit_summary(since).await.map_err(|error| unavailable(error.into())) };
        let sums = self.turns.read(Asker::of_viewer(viewer, request), Cost::Expensive, read).await?;
        response::json(StatusCode::OK, &Summary::new(Ts::clamped(since), sums))
    }

    /// Lists rows of the audit log.
    ///
    /// # Errors
    /// 403 if the viewer is no administrator; 400 for a bad parameter; 503 if the table cannot be read.
    pub(crate) async fn log(&self, viewer: &Viewer, request: &Request) -> Result<Response, ApiError> {
        must_be_admin(viewer)?;
        let query =
            Query::parse(request.uri().query(), &["user", "cast", "action", "before", "limit", "token"])?;
        let limit = params::number(&query, "limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        let text = |name: &'static str| match query.get(name).filter(|text| !text.is_empty()) {
            Some(text) if is_name(text) => Ok(Some(text.to_owned())),
            Some(_) => Err(ApiError::bad_request("bad_parameter", format!("{name} is not valid"))),
            None => Ok(None),
        };
        let action = text("action")?;
        if action.as_deref().is_some_and(|action| !KINDS.contains(&action)) {
            let message = format!("action: expected one of {}", KINDS.join(", "));
            return Err(ApiError::bad_request("bad_parameter", message));
        }
        let select = AuditQuery {
            user: text("user")?,
            cast: text("cast")?,
            kind: action,
            before: params::number(&query, "before", 1..=i64::MAX)?,
            limit: limit + 1,
        };
        let read = async { self.store.audit(&select).await.map_err(|error| unavailable(error.into())) };
        let mut found = self.turns.read(Asker::of_viewer(viewer, request), Cost::Expensive, read).await?;
        let more = found.len() as i64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or_default());
        let next = found.last().filter(|_| more).map(|last| last.id);
        response::json(StatusCode::OK, &Log { rows: found.iter().map(Row::new).collect(), next })
    }
}
