//! [`drive`]: the rows of a cast that follow from the runs of a GitHub workflow.
//!
//! GitHub sends a delivery for each step of a run, perhaps twice, late, or in another order. Each delivery is
//! a row of the ticker. [`drive`] reads all rows of the cast's run at once, so the order has no effect. The
//! dedup keys of the new rows store each step once, however many programs call [`drive`].

use serde_json::{Map, Value};

use crate::cast::{CASTS, CastChange, CastFields, CastId, CastStatus, NewCastRow, fields};
use crate::cast_state::CastState;
use crate::event::{DedupKey, NewEvent};
use crate::invalid::Invalid;
use crate::ts::Ts;

/// The members of the `meta` of a delivery's row that casts need.
pub mod run_fields {
    /// The id of the run.
    pub const RUN_ID: &str = "run_id";
    /// The number of the attempt, from 1.
    pub const ATTEMPT: &str = "attempt";
    /// GitHub's word for the status.
    pub const STATUS: &str = "status";
    /// GitHub's word for the conclusion.
    pub const CONCLUSION: &str = "conclusion";
    /// The name of the repository, such as `acme/shop`.
    pub const REPOSITORY: &str = "repository";
    /// When the attempt started.
    pub const RUN_STARTED_AT: &str = "run_started_at";
    /// The cast that the title names ([`super::cast_in_title`]). Only runs that a person or a program started
    /// on purpose have it, because anyone can choose the title of a pull request.
    pub const CAST: &str = "cast";
}

/// A row of the ticker that a delivery of the GitHub event `workflow_run` has.
#[derive(Debug, Clone, Copy)]
pub struct RunRow<'a> {
    /// The id of the row.
    pub id: i64,
    /// When the step of the run happened.
    pub ts: Ts,
    /// The `meta` of the row.
    pub meta: &'a Map<String, Value>,
}

/// The id of the cast that the title of a run names: the first `[cast:ID]`.
pub fn cast_in_title(title: &str) -> Option<CastId> {
    title.split("[cast:").skip(1).find_map(|rest| CastId::parse(rest.split_once(']')?.0).ok())
}

/// What one row reports about an attempt.
struct Report<'a> {
    row: RunRow<'a>,
    attempt: i32,
    status: CastStatus,
}

impl<'a> Report<'a> {
    /// `None` if the row has a state that means nothing for a cast.
    fn of(row: RunRow<'a>) -> Option<Self> {
        let attempt = row.meta.get(run_fields::ATTEMPT).and_then(Value::as_i64).unwrap_or(1);
        let attempt = i32::try_from(attempt).ok().filter(|attempt| *attempt >= 1)?;
        let status = match (text(row.meta, run_fields::STATUS)?, text(row.meta, run_fields::CONCLUSION)) {
            ("requested" | "queued" | "waiting" | "pending", _) => CastStatus::Queued,
            ("in_progress", _) => CastStatus::Running,
            // The run waits for an approval.
            ("completed", Some("action_required") | None) => return None,
            ("completed", Some("success")) => CastStatus::Succeeded,
            ("completed", Some(_)) => CastStatus::Failed,
            _ => return None,
        };
        Some(Self { row, attempt, status })
    }

    fn started_at(&self) -> Option<Ts> {
        text(self.row.meta, run_fields::RUN_STARTED_AT)?.parse().ok()
    }
}

/// The rows that bring a cast to the state of its run; none if the cast has this state. `runs` are the rows
/// of the cast's run, or of all runs whose titles name the cast, in any order.
///
/// - If the cast has no run, its run is the first run whose title names the cast, in the repository that the
///   cast names.
/// - The furthest report of the highest attempt counts. Of two ends of an attempt, the one with the lower id
///   counts.
///
/// # Errors
/// When a row does not fit into an event.
pub fn drive(cast: &CastId, state: &CastState, runs: &[RunRow<'_>]) -> Result<Option<NewEvent>, Invalid> {
    let known = state.text(fields::RUN_ID).map(str::to_owned);
    let is_new = known.is_none();
    let Some(run_id) = known.or_else(|| named(cast, state, runs)) else { return Ok(None) };
    let of_run = runs.iter().filter(|row| id_of(row.meta).as_deref() == Some(&*run_id));
    let reports: Vec<Report<'_>> = of_run.copied().filter_map(Report::of).collect();
    let further = |report: &&Report<'_>| (report.attempt, report.status.rank(), -report.row.id);
    let furthest = reports.iter().max_by_key(further);
    let furthest = furthest
        .filter(|report| (report.attempt, report.status.rank()) > (state.attempt, state.status.rank()));
    let mut changes = CastFields { run_id: is_new.then_some(run_id), ..CastFields::default() };
    let row = |ts, attempt, change| {
        let owner = state.owner.clone().unwrap_or_default();
        NewCastRow { ts, task: state.task(), owner, attempt, change }.into_event(cast)
    };
    let Some(Report { row: RunRow { ts, .. }, attempt, status }) = furthest else {
        if !is_new {
            return Ok(None);
        }
        let ts = runs.iter().map(|row| row.ts).min().unwrap_or(state.updated_at);
        let mut event = row(ts, state.attempt, CastChange::Fields(changes))?;
        event.dedup_key = Some(DedupKey::new(CASTS, &format!("{cast}:{}:run", state.attempt))?);
        return Ok(Some(event));
    };
    let (ts, attempt, status) = (*ts, *attempt, *status);
    let started_at = reports.iter().filter(|report| report.attempt == attempt).find_map(Report::started_at);
    let is_started = attempt == state.attempt && state.time(fields::STARTED_AT).is_some();
    match status {
        CastStatus::Queued => {}
        CastStatus::Running => changes.started_at = started_at.or(Some(ts)),
        CastStatus::Succeeded | CastStatus::Failed => {
            changes.started_at = started_at.filter(|_| !is_started);
            changes.finished_at = Some(ts);
        }
    }
    if status == CastStatus::Failed {
        let conclusion = furthest.and_then(|report| text(report.row.meta, run_fields::CONCLUSION));
        let conclusion = conclusion.unwrap_or_default();
        changes.error_message = Some(format!("the workflow run ended with the conclusion {conclusion}"));
    }
    row(ts, attempt, CastChange::Status(status, changes)).map(Some)
}

/// The id of the first run whose title names the cast, in the repository that the cast names.
fn named(cast: &CastId, state: &CastState, runs: &[RunRow<'_>]) -> Option<String> {
    let repository = state.text(fields::REPOSITORY)?;
    let names = |row: &&RunRow<'_>| {
        let of_row = text(row.meta, run_fields::REPOSITORY);
        text(row.meta, run_fields::CAST) == Some(cast.as_str())
            && of_row.is_some_and(|of_row| of_row.eq_ignore_ascii_case(repository))
    };
    id_of(runs.iter().filter(names).min_by_key(|row| row.id)?.meta)
}

fn id_of(meta: &Map<String, Value>) -> Option<String> {
    Some(meta.get(run_fields::RUN_ID)?.as_u64()?.to_string())
}

fn text<'a>(meta: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    meta.get(name)?.as_str()
}

#[cfg(test)]
mod tests;
