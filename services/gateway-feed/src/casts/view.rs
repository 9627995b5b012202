//! The JSON of casts, in answers and in the frames of the stream.

use oasis_core::cast::{CastStatus, fields};
use oasis_core::{CastState, Ts};
use serde::Serialize;
use serde_json::{Map, Value};

/// A cast, as the answers of the API show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cast<'a> {
    id: &'a str,
    status: CastStatus,
    attempt: i32,
    owner: Option<&'a str>,
    spell: Option<&'a Value>,
    repository: Option<&'a str>,
    run_id: Option<&'a str>,
    vtid: Option<&'a str>,
    started_at: Option<Ts>,
    finished_at: Option<Ts>,
    /// In milliseconds.
    duration: Option<i64>,
    cost_cents: Option<i64>,
    artifact_url: Option<&'a str>,
    error_message: Option<&'a str>,
    created_at: Ts,
    updated_at: Ts,
}

impl<'a> Cast<'a> {
    pub(super) fn new(id: &'a str, cast: &'a CastState) -> Self {
        Self {
            id,
            status: cast.status,
            attempt: cast.attempt,
            owner: cast.owner.as_deref(),
            spell: cast.data.get(fields::SPELL),
            repository: cast.text(fields::REPOSITORY),
            run_id: cast.text(fields::RUN_ID),
            vtid: cast.text(fields::VTID),
            started_at: cast.time(fields::STARTED_AT),
            finished_at: cast.time(fields::FINISHED_AT),
            duration: cast.duration(),
            cost_cents: cost_cents(cast),
            artifact_url: cast.text(fields::ARTIFACT_URL),
            error_message: cast.text(fields::ERROR_MESSAGE),
            created_at: cast.created_at,
            updated_at: cast.updated_at,
        }
    }
}

fn cost_cents(cast: &CastState) -> Option<i64> {
    cast.data.get(fields::COST_CENTS)?.as_i64()
}

/// The fields of a cast in the frame `status`, with nulls for the fields that the cast does not have.
pub(crate) fn all_fields(cast: &CastState) -> Map<String, Value> {
    let time = |name| cast.time(name).map(|time| time.to_string());
    let text = |name| cast.text(name).map(str::to_owned);
    let members: [(&str, Value); 7] = [
        ("status", cast.status.as_str().into()),
        (fields::STARTED_AT, time(fields::STARTED_AT).into()),
        (fields::FINISHED_AT, time(fields::FINISHED_AT).into()),
        (fields::DURATION, cast.duration().into()),
        (fields::COST_CENTS, cost_cents(cast).into()),
        (fields::ARTIFACT_URL, text(fields::ARTIFACT_URL).into()),
        (fields::ERROR_MESSAGE, text(fields::ERROR_MESSAGE).into()),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The status, and the fields that differ between two states. A client that merges these fields into its copy
/// gets the new state.
pub(crate) fn changed_fields(before: &CastState, after: &CastState) -> Map<String, Value> {
    let (before, mut after) = (all_fields(before), all_fields(after));
    after.retain(|name, value| name == "status" || before.get(name) != Some(value));
    after
}
