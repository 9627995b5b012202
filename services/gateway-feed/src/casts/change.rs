//! Changes a cast: its status, its fields, and its progress.

use hyper::StatusCode;
use jiff::Timestamp;
use oasis_core::cast::{CastChange, CastFields, CastId, CastStatus, NewCastRow, fields};
use oasis_core::{CastState, Invalid, Link, NewEvent, Ts};
use oasis_service::{ApiError, Query, Request, RequestContext, Response, response};
use serde_json::Number;
use tokio::time::Instant;

use super::errors::{bad_cast, ended};
use super::fields::{MOST, message, percentage, run_id, whole_number};
use super::open::MOST_BYTES;
use super::requests::Casts;
use super::view::Cast;
use crate::access::{Caller, PrivateStream};
use crate::ingest::{Fields, Refusal, json_body, json_object, not_stored};

/// How often a change is compared with the state of the cast, if other requests change the cast meanwhile.
const MOST_TURNS: usize = 4;

/// The body of a request that changes a cast.
#[derive(Debug, Clone)]
struct CastPatch {
    status: Option<CastStatus>,
    attempt: Option<i32>,
    fields: CastFields,
    progress: Option<Number>,
    message: Option<String>,
}

impl Casts {
    /// Changes a cast. The answer is the cast.
    ///
    /// # Errors
    /// 400 or 413 for a bad body; 403 if the caller is not a service; 404 if the cast does not exist; 409 if
    /// the change does not fit the state of the cast; 415 if the body is not JSON; 503 if the table cannot be
    /// read or written.
    pub(crate) async fn change(
        &self,
        cast: &CastId,
        caller: Caller<'_>,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        caller.check_service(PrivateStream::Casts)?;
        Query::parse(request.uri().query(), &[])?;
        // A cast that does not exist is refused before the body is read.
        self.existing(cast).await?;
        let body = json_object(&json_body(request, context, MOST_BYTES).await?)?;
        let arrived = Instant::now();
        let mut patch = CastPatch::read(Fields::new(body, "")).map_err(bad_cast)?;
        let now = Ts::clamped(Timestamp::now());
        // Another request may change the cast at the same time. So after an append, the change is compared
        // with the new state: it is complete, or something is still missing, or it no longer fits.
        for _ in 0..MOST_TURNS {
            let state = self.existing(cast).await?;
            patch.attempt.get_or_insert(state.attempt);
            if let Some(run_id) = &patch.fields.run_id
                && state.text(fields::RUN_ID) != Some(run_id)
            {
                self.check_run(run_id, cast, caller.lane()).await?;
            }
            let rows = patch.rows(cast, &state, now)?;
            if rows.is_empty() {
                return response::json(StatusCode::OK, &Cast::new(cast.as_str(), &state));
            }
            let appended = self.appender.of(caller.lane()).append(rows, arrived).await;
            appended.map_err(|error| not_stored(error, "send the request again"))?;
            self.directory.forget(cast.channel());
            // The progress is stored now.
            (patch.progress, patch.message) = (None, None);
        }
        let state = self.existing(cast).await?;
        response::json(StatusCode::OK, &Cast::new(cast.as_str(), &state))
    }
}

impl CastPatch {
    fn read(mut body: Fields) -> Result<Self, Refusal> {
        let status = body.parsed("status", |word| {
            CastStatus::from_word(word).ok_or_else(|| {
                let list = CastStatus::list();
                Invalid::new(format!("expected one of {list}, completed, success, cancelled"))
            })
        })?;
        let attempt = whole_number(&mut body, "runAttempt", 1..=i32::MAX.into())?;
        let of_cast = CastFields {
            run_id: run_id(&mut body, fields::RUN_ID)?,
            finished_at: body.parsed(fields::FINISHED_AT, str::parse)?,
            duration: whole_number(&mut body, fields::DURATION, 0..=MOST)?,
            artifact_url: body.parsed(fields::ARTIFACT_URL, Link::parse)?,
            error_message: message(&mut body, fields::ERROR_MESSAGE)?,
            ..CastFields::default()
        };
        let progress = percentage(&mut body, fields::PROGRESS)?;
        let message = message(&mut body, fields::MESSAGE)?;
        body.finish_with(
            "a change has the fields status, finishedAt, duration, artifactUrl, errorMessage, runId, \
             runAttempt, progress and message",
        )?;
        // The number is in the range of the type.
        let attempt = attempt.and_then(|attempt| i32::try_from(attempt).ok());
        Ok(Self { status, attempt, fields: of_cast, progress, message })
    }

    /// The rows that make the change. `now` is the time of the request.
    ///
    /// # Errors
    /// 400 or 409 if the change does not fit the state.
    fn rows(&self, cast: &CastId, state: &CastState, now: Ts) -> Result<Vec<NewEvent>, ApiError> {
        let attempt = self.attempt.unwrap_or(state.attempt);
        let row = |change| {
            let owner = state.owner.clone().unwrap_or_default();
            NewCastRow { ts: now, task: state.task(), owner, attempt, change }.into_event(cast)
        };
        let rows: Result<Vec<_>, Invalid> = self.changes(attempt, state, now)?.into_iter().map(row).collect();
        rows.map_err(|why| bad_cast(Refusal::new(why.to_string())))
    }

    fn changes(&self, attempt: i32, state: &CastState, now: Ts) -> Result<Vec<CastChange>, ApiError> {
        let Self { status, attempt: _, mut fields, progress, message } = self.clone();
        if let Some(run_id) = &fields.run_id
            && let Some(known) = state.text(fields::RUN_ID)
        {
            if known != run_id {
                return Err(ApiError::conflict(
                    "run_is_set",
                    format!("the cast already has the run {known}"),
                ));
            }
            fields.run_id = None;
        }
        if attempt < state.attempt {
            let why = format!("the cast is in attempt {}", state.attempt);
            return Err(ApiError::conflict("old_attempt", why));
        }
        let reports = progress.is_some() || message.is_some();
        if reports && status.is_none() && state.status.is_final() {
            let why = "the cast has ended, so it accepts no progress";
            return Err(ApiError::conflict("cast_ended", why));
        }
        let mut changes = Vec::new();
        // After the end, clients get no progress.
        if reports && !state.status.is_final() {
            changes.push(CastChange::Progress { progress, message });
        }
        match status {
            None if attempt > state.attempt => {
                return Err(bad_cast(Refusal::field("runAttempt", "a new attempt needs a `status`")));
            }
            None => {}
            Some(status) if (attempt, status.rank()) > (state.attempt, state.status.rank()) => {
                match status {
                    CastStatus::Queued => {}
                    CastStatus::Running => fields.started_at = Some(now),
                    CastStatus::Succeeded | CastStatus::Failed => {
                        fields.finished_at = fields.finished_at.or(Some(now));
                    }
                }
                // A new attempt has no progress yet.
                let at = if attempt > state.attempt { 0 } else { changes.len() };
                changes.insert(at, CastChange::Status(status, std::mem::take(&mut fields)));
            }
            Some(status) if status == state.status => fields = missing(fields, state),
            Some(_) if state.status.is_final() => return Err(ended(state)),
            Some(status) => {
                let why = format!("the cast is {}, and cannot go back to {status}", state.status);
                return Err(ApiError::conflict("status_goes_back", why));
            }
        }
        let members = fields.clone().into_map();
        if members.iter().any(|(name, value)| state.data.get(name) != Some(value)) {
            changes.push(CastChange::Fields(fields));
        }
        Ok(changes)
    }
}

/// The fields that the cast does not have yet. The first end of an attempt stands, with its fields.
fn missing(new: CastFields, state: &CastState) -> CastFields {
    let lacks = |name| !state.data.contains_key(name);
    CastFields {
        finished_at: new.finished_at.filter(|_| lacks(fields::FINISHED_AT)),
        duration: new.duration.filter(|_| lacks(fields::DURATION)),
        artifact_url: new.artifact_url.filter(|_| lacks(fields::ARTIFACT_URL)),
        error_message: new.error_message.filter(|_| lacks(fields::ERROR_MESSAGE)),
        ..new
    }
}
