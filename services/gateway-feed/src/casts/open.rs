//! Opens a cast.

use hyper::StatusCode;
use jiff::Timestamp;
use oasis_core::cast::{CASTS, CastChange, CastFields, CastId, CastStatus, NewCastRow, fields};
use oasis_core::{Invalid, NewEvent, Task, Ts, Vtid};
use oasis_service::{ApiError, Query, Request, RequestContext, Response, response};
use oasis_store::Repeat;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use super::errors::{bad_cast, exists, unavailable};
use super::fields::{MOST, name, repository, run_id, spell, whole_number};
use super::requests::Casts;
use super::view::Cast;
use crate::access::{Caller, PrivateStream};
use crate::ingest::{Fields, KeyScope, Refusal, idempotency_key, json_body, json_object, not_stored};

/// The maximum size of the body of a request, in bytes.
pub(super) const MOST_BYTES: usize = 64 << 10;

/// What a client can do if its cast was not stored.
const AGAIN: &str = "send the request again; with an id or an Idempotency-Key, no second cast is opened";

/// The body of a request that opens a cast.
struct NewCast {
    id: Option<CastId>,
    owner: String,
    task: Task,
    fields: CastFields,
}

impl Casts {
    /// Opens a cast. The answer is the cast.
    ///
    /// # Errors
    /// 400 or 413 for a bad body; 403 if the caller is not a service; 409 if there is another cast with this
    /// id, with this run or with this `Idempotency-Key`; 415 if the body is not JSON; 503 if the table cannot
    /// be read or written.
    pub(crate) async fn open(
        &self,
        caller: Caller<'_>,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        caller.check_service(PrivateStream::Casts)?;
        Query::parse(request.uri().query(), &[])?;
        let key = idempotency_key(request.headers())?;
        let body = json_object(&json_body(request, context, MOST_BYTES).await?)?;
        let arrived = Instant::now();
        let new = NewCast::read(Fields::new(body, "")).map_err(bad_cast)?;
        let scope =
            key.as_deref().map(|key| KeyScope { prefix: (CASTS, "key:"), target: "", caller: &caller, key });
        let cast = match (new.id.clone(), &scope) {
            (Some(id), _) => id,
            (None, Some(scope)) => generated(scope.digest().as_ref())?,
            (None, None) => {
                let mut random = [0; 12];
                SystemRandom::new().fill(&mut random).map_err(|_| ApiError::internal("no random bytes"))?;
                generated(&random)?
            }
        };
        let run_id = new.fields.run_id.clone();
        let mut row = new.row(&cast)?;
        if !self.assign_key(&mut row, scope.as_ref()).await? {
            if self.fresh_state(&cast).await?.is_some() {
                return Err(exists(&cast));
            }
            if let Some(run_id) = run_id {
                self.check_run(&run_id, &cast, caller.lane()).await?;
            }
            let appended = self.appender.of(caller.lane()).append(vec![row.clone()], arrived).await;
            let appended = appended.map_err(|error| not_stored(error, AGAIN))?;
            self.directory.forget(cast.channel());
            // If another request has stored a row with this dedup key in the meantime, it may be another row.
            if appended.iter().any(|appended| appended.duplicate) {
                self.assign_key(&mut row, scope.as_ref()).await?;
            }
        }
        // Another request may have opened the cast with another dedup key. The first row stands.
        let key = row.dedup_key.ok_or_else(|| ApiError::internal("a row without a dedup key"))?;
        let is_opened = self.store.is_opened_by(cast.channel(), &key).await;
        if !is_opened.map_err(|error| unavailable(error.into()))? {
            return Err(exists(&cast));
        }
        let state = self.existing(&cast).await?;
        response::json(StatusCode::CREATED, &Cast::new(cast.as_str(), &state))
    }

    /// Gives the row its dedup key. Returns whether an earlier request has stored the row.
    ///
    /// # Errors
    /// 409 if a request with another body had the same `Idempotency-Key`, or has opened the cast.
    async fn assign_key(&self, row: &mut NewEvent, scope: Option<&KeyScope<'_>>) -> Result<bool, ApiError> {
        let Some(scope) = scope else {
            let key = row.dedup_key.clone().ok_or_else(|| ApiError::internal("a row without a dedup key"))?;
            let repeats = self.store.repeats(&[(key, Some(row))], &[]).await;
            return match repeats.map_err(|error| unavailable(error.into()))?[..] {
                [Repeat::Same] => Ok(true),
                [Repeat::New] => Ok(false),
                _ => Err(ApiError::conflict(
                    "cast_exists",
                    "a cast with this id and other fields exists already",
                )),
            };
        };
        scope.give(&self.store, std::slice::from_mut(row), &[]).await
    }
}

impl NewCast {
    fn read(mut body: Fields) -> Result<Self, Refusal> {
        let id = body.parsed("id", |text| match text {
            // `/api/casts/events` is not the path of a cast.
            "events" => Err(Invalid::new("this id is reserved")),
            text => CastId::parse(text),
        })?;
        let owner = body.required(fields::OWNER, name)?;
        let vtid = body.parsed(fields::VTID, |vtid| Vtid::parse(vtid.trim()))?;
        let of_cast = CastFields {
            spell: spell(&mut body, fields::SPELL)?,
            cost_cents: whole_number(&mut body, fields::COST_CENTS, 0..=MOST)?,
            repository: body.parsed(fields::REPOSITORY, repository)?,
            run_id: run_id(&mut body, fields::RUN_ID)?,
            ..CastFields::default()
        };
        body.finish_with("a cast has the fields id, owner, spell, costCents, repository, runId and vtid")?;
        Ok(Self { id, owner, task: vtid.map_or(Task::Unset, Task::Vtid), fields: of_cast })
    }

    /// The row that opens the cast.
    fn row(self, cast: &CastId) -> Result<NewEvent, ApiError> {
        let Self { id: _, owner, task, fields } = self;
        let change = CastChange::Status(CastStatus::Queued, fields);
        let row = NewCastRow { ts: Ts::clamped(Timestamp::now()), task, owner, attempt: 1, change };
        // `meta` contains the id. So a request for another id with the same Idempotency-Key counts as another
        // body.
        row.into_event(cast).map_err(|why| bad_cast(Refusal::new(why.to_string())))
    }
}

/// The id of a cast that was opened without an id.
fn generated(bytes: &[u8]) -> Result<CastId, ApiError> {
    let hex: String = bytes.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    CastId::parse(&format!("cast_{hex}")).map_err(ApiError::internal)
}
