//! [`CastState`]: the current state of a cast, computed from its rows. A trigger of the table computes the
//! states that programs read. The tests of oasis-store compare both.

use serde_json::{Map, Value};

use crate::cast::{CastStatus, MOST_MESSAGE_BYTES, fields, kinds};
use crate::invisible::MOST_NAME_BYTES;
use crate::state_row::StateRow;
use crate::task::Task;
use crate::ts::Ts;

/// The current state of a cast.
#[derive(Debug, Clone, PartialEq)]
pub struct CastState {
    /// The user who owns the cast. `None` if nobody does, after a repair of the database.
    pub owner: Option<String>,
    /// The status of the attempt.
    pub status: CastStatus,
    /// The number of the current attempt, from 1.
    pub attempt: i32,
    /// The other fields, by the names in [`fields`].
    pub data: Map<String, Value>,
    /// The id of the newest row that the state contains.
    pub last_id: i64,
    /// When the cast was opened.
    pub created_at: Ts,
    /// When the newest row that the state contains was recorded.
    pub updated_at: Ts,
}

impl CastState {
    /// The state after one more row. `None` means that the cast has not been opened. The function
    /// `oasis_casts_fold` in `migrations/` does the same.
    ///
    /// - The first `cast.queued` with an owner opens the cast.
    /// - A row with a status counts if its attempt is higher, or if its status comes later in the attempt. A
    ///   higher attempt begins without the fields of the attempt before. So a status never goes back, and the
    ///   first end of an attempt stands.
    /// - A row that repeats the status adds fields that are missing, except `cast.queued`.
    /// - A row `cast.updated` of the current attempt replaces fields.
    pub fn fold(state: Option<Self>, row: StateRow<'_>) -> Option<Self> {
        let new_fields = fields_of(row.meta);
        let Some(state) = state else {
            let owner = text(row.meta, fields::OWNER, MOST_NAME_BYTES)?;
            return (row.kind == kinds::QUEUED).then(|| Self {
                owner: Some(owner.to_owned()),
                status: CastStatus::Queued,
                attempt: attempt(row.meta).unwrap_or(1),
                data: new_fields,
                last_id: row.id,
                created_at: row.recorded_at,
                updated_at: row.recorded_at,
            });
        };
        if row.id <= state.last_id {
            return Some(state);
        }
        let attempt = attempt(row.meta).unwrap_or(state.attempt);
        let mut next = state.clone();
        match CastStatus::of_kind(row.kind) {
            None if row.kind == kinds::UPDATED && attempt == state.attempt => {
                replace(&mut next.data, new_fields);
            }
            None => {}
            Some(status) if (attempt, status.rank()) > (state.attempt, state.status.rank()) => {
                if attempt > state.attempt {
                    next.data.retain(|name, _| !fields::OF_ATTEMPT.contains(&name.as_str()));
                }
                replace(&mut next.data, new_fields);
                (next.attempt, next.status) = (attempt, status);
            }
            // Another program may have tried to open the cast, too. Its row changes nothing.
            Some(CastStatus::Queued) => {}
            Some(status) if (attempt, status) == (state.attempt, state.status) => {
                for (name, value) in new_fields {
                    next.data.entry(name).or_insert(value);
                }
            }
            Some(_) => {}
        }
        if next == state {
            return Some(state);
        }
        Some(Self { last_id: row.id, updated_at: row.recorded_at, ..next })
    }

    /// Whether `user` owns the cast.
    pub fn is_owned_by(&self, user: &str) -> bool {
        self.owner.as_deref() == Some(user)
    }

    /// The task of the cast.
    pub fn task(&self) -> Task {
        self.text(fields::VTID).and_then(|vtid| vtid.parse().ok()).unwrap_or(Task::Unset)
    }

    /// A field that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.data.get(name)?.as_str()
    }

    /// A field that is a time.
    pub fn time(&self, name: &str) -> Option<Ts> {
        self.text(name)?.parse().ok()
    }

    /// How long the work took, in milliseconds: the time from its start to its end, if both are known, or
    /// else the reported duration.
    pub fn duration(&self) -> Option<i64> {
        match (self.time(fields::STARTED_AT), self.time(fields::FINISHED_AT)) {
            (Some(start), Some(end)) => {
                Some((end.instant().as_millisecond() - start.instant().as_millisecond()).max(0))
            }
            _ => self.data.get(fields::DURATION)?.as_i64(),
        }
    }
}

/// Replaces fields. The id of the run is set once.
fn replace(data: &mut Map<String, Value>, new_fields: Map<String, Value>) {
    for (name, value) in new_fields {
        if name != fields::RUN_ID || !data.contains_key(fields::RUN_ID) {
            data.insert(name, value);
        }
    }
}

/// The fields that a row sets. Members of other types are left out.
fn fields_of(meta: &Map<String, Value>) -> Map<String, Value> {
    let is_valid = |(name, value): &(&String, &Value)| match value {
        Value::String(text) => {
            fields::TEXTS.contains(&name.as_str()) && (1..=MOST_MESSAGE_BYTES).contains(&text.len())
        }
        Value::Number(_) => fields::NUMBERS.contains(&name.as_str()),
        Value::Object(_) => *name == fields::SPELL,
        Value::Null | Value::Bool(_) | Value::Array(_) => false,
    };
    meta.iter().filter(is_valid).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn text<'a>(meta: &'a Map<String, Value>, name: &str, most: usize) -> Option<&'a str> {
    meta.get(name)?.as_str().filter(|text| (1..=most).contains(&text.len()))
}

/// The attempt of a row: a whole number from 1.
fn attempt(meta: &Map<String, Value>) -> Option<i32> {
    let number = meta.get(fields::ATTEMPT)?.as_number()?.as_i64()?;
    i32::try_from(number).ok().filter(|attempt| *attempt >= 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fold(rows: &[(&str, Value)]) -> Option<CastState> {
        rows.iter().zip(1..).fold(None, |state, ((kind, meta), id)| {
            let meta = meta.as_object().unwrap();
            let recorded_at = Ts::from_unix_seconds(id).unwrap();
            CastState::fold(state, StateRow { id, kind, meta, recorded_at })
        })
    }

    fn after(rows: &[(&str, Value)]) -> (CastStatus, i32, Value, i64) {
        let opened = [("cast.queued", json!({"owner": "ann"}))];
        let state = fold(&[&opened, rows].concat()).unwrap();
        (state.status, state.attempt, Value::Object(state.data), state.last_id)
    }

    #[test]
    fn only_a_queued_row_with_an_owner_opens_a_cast() {
        assert_eq!(fold(&[("cast.started", json!({"owner": "ann"})), ("cast.queued", json!({}))]), None);
        let state =
            fold(&[("cast.queued", json!({"owner": "ann"})), ("cast.queued", json!({"owner": "bob"}))]);
        assert_eq!(state.unwrap().owner.as_deref(), Some("ann"));
    }

    #[test]
    fn a_status_never_goes_back_and_the_first_end_stands() {
        let rows = [
            ("cast.succeeded", json!({"costCents": 5})),
            ("cast.started", json!({"startedAt": "late"})),
            ("cast.failed", json!({"errorMessage": "no"})),
            ("cast.progress", json!({"progress": 5})),
        ];
        assert_eq!(after(&rows), (CastStatus::Succeeded, 1, json!({"costCents": 5}), 2));
    }

    #[test]
    fn a_repeated_status_adds_missing_fields() {
        let rows = [
            ("cast.failed", json!({"errorMessage": "first"})),
            ("cast.failed", json!({"errorMessage": "second", "duration": 3})),
            ("cast.failed", json!({"errorMessage": "third"})),
        ];
        let data = json!({"errorMessage": "first", "duration": 3});
        assert_eq!(after(&rows), (CastStatus::Failed, 1, data, 3));
    }

    #[test]
    fn a_higher_attempt_reopens_a_cast_without_the_fields_of_the_attempt_before() {
        let rows = [
            ("cast.failed", json!({"errorMessage": "no", "runId": "7", "costCents": 2})),
            ("cast.started", json!({"attempt": 2, "startedAt": "now", "runId": "8"})),
            ("cast.succeeded", json!({"attempt": 1})),
            ("cast.updated", json!({"attempt": 1, "costCents": 9})),
        ];
        let data = json!({"runId": "7", "costCents": 2, "startedAt": "now"});
        assert_eq!(after(&rows), (CastStatus::Running, 2, data, 3));
    }

    #[test]
    fn values_of_other_types_have_no_effect() {
        let rows = [(
            "cast.updated",
            json!({"attempt": "x", "spell": "a", "duration": "1", "costCents": [], "errorMessage": "",
                "artifactUrl": null, "unknown": 1, "startedAt": "x".repeat(MOST_MESSAGE_BYTES + 1)}),
        )];
        assert_eq!(after(&rows), (CastStatus::Queued, 1, json!({}), 1));
        for bad in [json!(0), json!(-1), json!(1.5), json!(4_000_000_000_u64), json!(null)] {
            assert_eq!(after(&[("cast.started", json!({"attempt": bad}))]).1, 1);
        }
    }

    #[test]
    fn the_duration_is_the_time_from_start_to_end() {
        let times = json!({"startedAt": "2026-01-02T03:04:05Z", "finishedAt": "2026-01-02T03:05:05.5Z"});
        let state = |rows: &[(&str, Value)]| {
            fold(&[&[("cast.queued", json!({"owner": "ann"}))], rows].concat()).unwrap()
        };
        assert_eq!(state(&[("cast.succeeded", times)]).duration(), Some(60_500));
        assert_eq!(state(&[("cast.succeeded", json!({"duration": 7}))]).duration(), Some(7));
        assert_eq!(state(&[]).duration(), None);
    }
}
