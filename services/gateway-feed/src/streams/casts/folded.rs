//! Makes frames from rows: [`fold`]. A subscriber keeps the states of its casts in [`Folded`].

use std::collections::HashMap;

use oasis_core::cast::{CastEvent, CastStatus, fields, kinds};
use oasis_core::{CastState, Channel, StateRow, Ts, parse_json};
use serde_json::{Map, Value};

use super::followed::{CastMark, CastWant, Followed};
use crate::casts::{Frames, all_fields, changed_fields, complete, end};
use crate::fanout::ends::CloseReason;
use crate::fanout::stream::{EndRow, Rendered};

/// The maximum number of casts that a subscriber keeps. Of more casts, those that have ended are forgotten.
const MOST_KEPT: usize = 1_500;

/// The states of a subscriber's casts after its last row. A cast that is not opened yet has no state.
pub(crate) type Folded = HashMap<Channel, CastState>;

/// Progress that has not been sent yet. Several reports become one event.
struct Progress {
    id: i64,
    at: Ts,
    members: Map<String, Value>,
}

/// Adds rows to the states, and appends their frames to `out`. The stream of one cast ends with the cast.
pub(super) fn fold(
    folded: &mut Folded,
    followed: &Followed,
    want: &CastWant,
    rows: &[Rendered<'_, CastMark>],
    out: &mut Vec<u8>,
) -> Option<EndRow> {
    let mut waiting: HashMap<&Channel, Progress> = HashMap::new();
    // The ids of the frames must ascend, so progress is sent before the next row that changes a state.
    let flush = |waiting: &mut HashMap<&Channel, Progress>, out: &mut Vec<u8>| {
        let mut all: Vec<_> = waiting.drain().collect();
        all.sort_unstable_by_key(|(_, progress)| progress.id);
        for (channel, Progress { id, at, members }) in all {
            let mut frames = Frames { cast_id: channel.id().unwrap_or_default(), wanted: &want.events, out };
            frames.row(id, &[(CastEvent::Progress, members)], at);
        }
    };
    for Rendered { id, mark, bytes } in rows {
        let Ok(Value::Object(meta)) = parse_json(bytes) else { continue };
        if mark.kind.as_str() == kinds::PROGRESS {
            if let Some(more) = progress_of(&meta, folded.get(&mark.channel)) {
                let progress = waiting.entry(&mark.channel).or_insert_with(|| Progress {
                    id: *id,
                    at: mark.ts,
                    members: Map::new(),
                });
                progress.members.extend(more);
                (progress.id, progress.at) = (*id, mark.ts);
            }
            continue;
        }
        let row = StateRow { id: *id, kind: mark.kind.as_str(), meta: &meta, recorded_at: mark.recorded_at };
        let before = folded.remove(&mark.channel).or_else(|| unknown(row, followed));
        let Some(after) = CastState::fold(before.clone(), row) else { continue };
        let is_new = after.last_id == *id;
        // Another user may have opened a new cast with the same id.
        if is_new && !after.is_owned_by(&want.user) {
            match followed {
                Followed::Cast(_) => return Some(EndRow { id: *id, reason: CloseReason::Revoked }),
                Followed::Own(_) => continue,
            }
        }
        if is_new {
            flush(&mut waiting, out);
            let cast_id = mark.channel.id().unwrap_or_default();
            let mut frames = Frames { cast_id, wanted: &want.events, out };
            let changed = match &before {
                Some(before) if before.last_id > 0 => changed_fields(before, &after),
                Some(_) => known_fields(&after),
                None => all_fields(&after),
            };
            let status = (CastEvent::Status, changed);
            let outcome = |cast: &CastState| (cast.attempt, cast.status);
            let is_end = after.status.is_final() && before.as_ref().map(outcome) != Some(outcome(&after));
            match followed {
                Followed::Cast(_) if after.status.is_final() => {
                    frames.end(*id, &[status, end(&after)], mark.ts);
                    return Some(EndRow { id: *id, reason: CloseReason::Finished });
                }
                // An event `error` would make browsers reconnect, but this stream continues.
                Followed::Own(_) if is_end => frames.row(*id, &[status, complete(&after)], mark.ts),
                Followed::Cast(_) | Followed::Own(_) => frames.row(*id, &[status], mark.ts),
            }
        }
        folded.insert(mark.channel.clone(), after);
    }
    flush(&mut waiting, out);
    if folded.len() > MOST_KEPT {
        folded.retain(|_, state| !state.status.is_final());
    }
    None
}

/// The fields of a cast whose earlier rows are not known. At the end, a field that is not in the row may have
/// a value. Before, a new attempt has begun, and has no such values.
fn known_fields(after: &CastState) -> Map<String, Value> {
    let mut members = all_fields(after);
    members.retain(|name, value| {
        !value.is_null() || (!after.status.is_final() && fields::OF_ATTEMPT.contains(&name.as_str()))
    });
    members
}

/// The state before a row of a cast of the user that the subscriber does not know, because the cast ended
/// long ago. Only a row that changes the status tells enough.
fn unknown(row: StateRow<'_>, followed: &Followed) -> Option<CastState> {
    let Followed::Own(user) = followed else { return None };
    let attempt = row.meta.get(fields::ATTEMPT).and_then(Value::as_i64).unwrap_or(1);
    let attempt = i32::try_from(attempt).ok()?;
    let status = CastStatus::of_kind(row.kind)?;
    if (attempt, status) == (1, CastStatus::Queued) {
        return None;
    }
    Some(CastState {
        owner: Some((**user).to_owned()),
        status: CastStatus::Queued,
        // The fold accepts a row of a higher attempt.
        attempt: attempt.saturating_sub(1),
        data: Map::new(),
        last_id: 0,
        created_at: row.recorded_at,
        updated_at: row.recorded_at,
    })
}

/// The members of a report of progress. `None` if the report is not about the current attempt of a cast that
/// has not ended.
fn progress_of(meta: &Map<String, Value>, state: Option<&CastState>) -> Option<Map<String, Value>> {
    let state = state.filter(|state| !state.status.is_final())?;
    let attempt = meta.get(fields::ATTEMPT).and_then(Value::as_i64);
    if attempt.is_some_and(|attempt| attempt != i64::from(state.attempt)) {
        return None;
    }
    let is_valid = |name: &str, value: &Value| match name {
        fields::PROGRESS => value.is_number(),
        fields::MESSAGE => value.is_string(),
        _ => false,
    };
    let members = meta.iter().filter(|(name, value)| is_valid(name, value));
    let members: Map<String, Value> = members.map(|(name, value)| (name.clone(), value.clone())).collect();
    (!members.is_empty()).then_some(members)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oasis_core::Kind;
    use oasis_core::cast::CastId;
    use serde_json::json;

    use super::*;

    /// The events and their data that these rows of the cast `c` have.
    fn frames(folded: &mut Folded, rows: &[(&str, Value)]) -> Vec<(String, Value)> {
        let user: Arc<str> = "ann".into();
        let at: Ts = "2026-01-02T03:04:05Z".parse().unwrap();
        let channel = CastId::parse("c").unwrap().channel().clone();
        let marks: Vec<(CastMark, String)> = rows
            .iter()
            .map(|(kind, meta)| {
                let (channel, kind) = (channel.clone(), Kind::stored(kind));
                (CastMark { channel, kind, ts: at, recorded_at: at }, meta.to_string())
            })
            .collect();
        let rendered: Vec<_> = (10..)
            .zip(&marks)
            .map(|(id, (mark, meta))| Rendered { id, mark, bytes: meta.as_bytes() })
            .collect();
        let want = CastWant { user: user.clone(), events: Vec::new() };
        let mut out = Vec::new();
        assert_eq!(fold(folded, &Followed::Own(user), &want, &rendered, &mut out), None);
        let text = String::from_utf8(out).unwrap();
        let read = |block: &str| {
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
            let mut data: Map<String, Value> = serde_json::from_str(&field("data: ")).unwrap();
            data.retain(|name, _| !["castId", "timestamp"].contains(&name.as_str()));
            (field("event: "), Value::Object(data))
        };
        text.split_terminator("\n\n").map(read).collect()
    }

    #[test]
    fn a_late_result_of_an_unknown_cast_does_not_hide_what_the_client_knows() {
        let artifact = json!({"owner": "ann", "attempt": 1, "artifactUrl": "https://example.com/a"});
        let shown = frames(&mut Folded::new(), &[("cast.succeeded", artifact)]);
        let expected = json!({"status": "succeeded", "artifactUrl": "https://example.com/a"});
        assert_eq!(shown[0], ("status".to_owned(), expected));
        assert_eq!(shown[1].0, "complete");
    }

    #[test]
    fn a_new_attempt_of_an_unknown_cast_begins_without_the_fields_of_the_attempt_before() {
        let started = json!({"owner": "ann", "attempt": 2, "startedAt": "2026-01-02T03:04:05Z"});
        let shown = frames(&mut Folded::new(), &[("cast.started", started)]);
        let expected = json!({"status": "running", "startedAt": "2026-01-02T03:04:05.000Z",
            "finishedAt": null, "duration": null, "artifactUrl": null, "errorMessage": null});
        assert_eq!(shown, [("status".to_owned(), expected)]);
    }

    #[test]
    fn an_attempt_that_ends_at_once_is_complete_again() {
        let opened = json!({"owner": "ann"});
        let failed = |attempt: i32| json!({"owner": "ann", "attempt": attempt, "errorMessage": "no"});
        let rows = [("cast.queued", opened), ("cast.failed", failed(1)), ("cast.failed", failed(2))];
        let names: Vec<String> =
            frames(&mut Folded::new(), &rows).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["status", "status", "complete", "status", "complete"]);
    }
}
