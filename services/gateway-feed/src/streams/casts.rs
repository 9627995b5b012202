//! The stream of a cast: its status, its progress and its end, for its owner.
//!
//! `GET /api/casts/{id}/events`. The events are those of [`CastEvent`], and `timeout`, `gap` and `close`. A
//! connection begins with `status`, which has all fields, unless the client already has the end. Each later
//! `status` has only the fields that have changed.
//!
//! A row that has no effect on the state ([`CastState::fold`]) has no frame. To decide this, each subscriber
//! keeps the state after its last row.

use std::iter::once;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use oasis_core::cast::{CASTS, CastEvent, CastId, fields, kinds};
use oasis_core::{CastState, Channel, Kind, Meta, StateRow, Ts, parse_json};
use oasis_store::{ChannelRange, Filter, RangeOrder, Store, StoredEvent};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::slots::{Slot, Slots};
use crate::access::{NotAdmitted, Revocations, Viewer};
use crate::batch::ReadError;
use crate::casts::{Frames, all_fields, changed_fields, complete, end, no_such_cast, not_yours, unavailable};
use crate::directory::Directory;
use crate::fanout::admission::Admission;
use crate::fanout::ends::CloseReason;
use crate::fanout::frame;
use crate::fanout::stream::{EndRow, GapReason, Rendered, Snapshot, Stream};
use crate::fanout::table::Selected;

/// The maximum duration of a connection.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// The number of rows of one read of a cast's history.
const ROWS: i64 = 500;

/// The stream of casts.
pub(crate) struct CastEvents {
    store: Store,
    directory: Arc<Directory<CastState>>,
    revocations: Arc<Revocations>,
    slots: Slots,
}

impl CastEvents {
    /// Makes a stream for at most `most` clients at the same time.
    pub(crate) fn new(
        store: Store,
        directory: Arc<Directory<CastState>>,
        revocations: Arc<Revocations>,
        most: usize,
    ) -> Self {
        let slots = Slots::new(most, metrics::gauge!("cast_subscribers"));
        Self { store, directory, revocations, slots }
    }

    /// The state after the rows up to `cursor`. `None` if retention may have deleted rows after the cursor,
    /// or if the table no longer has all rows of the `current` state.
    async fn state_at(
        &self,
        cast: &CastId,
        cursor: i64,
        current: &CastState,
    ) -> Result<Option<Folded>, ReadError> {
        let (mut state, mut at_cursor, mut after) = (None, None, 0);
        loop {
            let range = ChannelRange {
                channel: cast.channel().clone(),
                place: None,
                kinds: kinds::CHANGES.map(Kind::stored).to_vec(),
                after,
                upto: current.last_id,
                limit: ROWS,
            };
            let found = self.store.channel_rows(&[range], RangeOrder::OldestFirst).await?;
            if found.marks.of_channel(cast.channel()) > cursor {
                return Ok(None);
            }
            let page = found.pages.into_iter().flatten().next().unwrap_or_default();
            for row in &page.rows {
                after = row.id;
                let empty = Map::new();
                let meta = row.meta.as_ref().map_or(&empty, Meta::as_map);
                let recorded_at = Ts::clamped(row.recorded_at);
                state = CastState::fold(
                    state,
                    StateRow { id: row.id, kind: row.kind.as_str(), meta, recorded_at },
                );
                if row.id <= cursor {
                    at_cursor = state.clone();
                }
            }
            if !page.more {
                return Ok((state.as_ref() == Some(current)).then_some(at_cursor));
            }
        }
    }
}

/// The state after the rows of a subscriber. `None` until the cast is opened.
type Folded = Option<CastState>;

/// What one subscriber wants.
pub(crate) struct CastWant {
    /// The user, who must own the cast.
    pub(crate) user: Arc<str>,
    /// The events that the client wants. An empty list stands for all of them.
    pub(crate) events: Vec<CastEvent>,
}

/// The properties of a row that its frames need, except its `meta`.
pub(crate) struct CastMark {
    kind: Kind,
    ts: Ts,
    recorded_at: Ts,
}

/// Progress that has not been sent yet. Several reports become one event.
struct Progress {
    id: i64,
    at: Ts,
    members: Map<String, Value>,
}

/// The attempt that a client with this state is in. A cast is opened with the attempt 1.
fn attempt_of(state: &Folded) -> i32 {
    state.as_ref().map_or(1, |state| state.attempt)
}

/// The members of a report of progress. `None` if the report is not about the current attempt of a cast that
/// has not ended.
fn progress_of(meta: &Map<String, Value>, state: &Folded) -> Option<Map<String, Value>> {
    let state = state.as_ref().filter(|state| !state.status.is_final())?;
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

impl Stream for CastEvents {
    const FAMILY: &'static str = CASTS;
    const HEARTBEAT: Duration = Duration::from_secs(30);
    const FOLDS: bool = true;

    type Topic = CastId;
    type Key = Channel;
    type Want = CastWant;
    type Mark = CastMark;
    type Folded = Folded;
    type Viewer = Arc<Viewer>;
    type Permit = Slot;

    fn keys(cast: &CastId) -> Vec<Channel> {
        vec![cast.channel().clone()]
    }

    fn keys_of(row: &StoredEvent) -> impl Iterator<Item = Channel> {
        once(row.channel.clone())
    }

    fn rows(cast: &CastId, _want: &CastWant) -> Vec<Selected> {
        vec![Filter::all(cast.channel().clone()).into()]
    }

    /// The ring keeps the `meta` of a row.
    fn render(&self, row: &StoredEvent, out: &mut Vec<u8>) -> Option<CloseReason> {
        out.extend_from_slice(row.meta.as_ref().map_or("{}", Meta::as_json).as_bytes());
        None
    }

    fn mark(&self, row: &StoredEvent) -> CastMark {
        CastMark { kind: row.kind.clone(), ts: row.ts, recorded_at: Ts::clamped(row.recorded_at) }
    }

    fn fold(
        state: &mut Folded,
        cast: &CastId,
        want: &CastWant,
        rows: &[Rendered<'_, CastMark>],
        out: &mut Vec<u8>,
    ) -> Option<EndRow> {
        let mut frames = Frames { cast_id: cast.as_str(), wanted: &want.events, out };
        let mut progress: Option<Progress> = None;
        for Rendered { id, mark, bytes } in rows {
            let Ok(Value::Object(meta)) = parse_json(bytes) else { continue };
            if mark.kind.as_str() == kinds::PROGRESS {
                if let Some(more) = progress_of(&meta, state) {
                    let mut members = progress.map(|progress| progress.members).unwrap_or_default();
                    members.extend(more);
                    progress = Some(Progress { id: *id, at: mark.ts, members });
                }
                continue;
            }
            let before = state.clone();
            let row =
                StateRow { id: *id, kind: mark.kind.as_str(), meta: &meta, recorded_at: mark.recorded_at };
            *state = CastState::fold(state.take(), row);
            let Some(after) = state.as_ref().filter(|after| after.last_id == *id) else { continue };
            // Another user may have opened a new cast with the same id.
            if !after.is_owned_by(&want.user) {
                return Some(EndRow { id: *id, reason: CloseReason::Revoked });
            }
            if let Some(Progress { id, at, members }) = progress.take() {
                frames.row(id, &[(CastEvent::Progress, members)], at);
            }
            let changed =
                before.as_ref().map_or_else(|| all_fields(after), |before| changed_fields(before, after));
            if after.status.is_final() {
                frames.end(*id, &[(CastEvent::Status, changed), end(after)], mark.ts);
                return Some(EndRow { id: *id, reason: CloseReason::Finished });
            }
            frames.row(*id, &[(CastEvent::Status, changed)], mark.ts);
        }
        if let Some(Progress { id, at, members }) = progress {
            frames.row(id, &[(CastEvent::Progress, members)], at);
        }
        None
    }

    fn snapshot<'a>(
        &'a self,
        cast: &'a CastId,
        want: &'a CastWant,
        after: Option<i64>,
    ) -> BoxFuture<'a, Result<Snapshot<Folded>, ReadError>> {
        Box::pin(async move {
            let head = self.directory.head();
            let over =
                |cursor, reason| Snapshot { folded: None, frames: Bytes::new(), cursor, ends: Some(reason) };
            let current = self.directory.read(cast.channel()).await?;
            let Some(current) = current.filter(|current| current.is_owned_by(&want.user)) else {
                // The viewer was admitted because of an older state.
                self.directory.forget(cast.channel());
                return Ok(over(after.unwrap_or(head), CloseReason::Revoked));
            };
            let mut out = Vec::new();
            let mut frames = Frames { cast_id: cast.as_str(), wanted: &want.events, out: &mut out };
            if current.status.is_final() {
                if after.is_none_or(|after| after < current.last_id) {
                    // A client may have taken the event `error` for a broken connection. So this end is
                    // always `complete`.
                    let events = [(CastEvent::Status, all_fields(&current)), complete(&current)];
                    frames.end(current.last_id, &events, current.updated_at);
                }
                return Ok(Snapshot { frames: out.into(), ..over(current.last_id, CloseReason::Finished) });
            }
            let now = head.max(current.last_id);
            let (state, cursor) = match after {
                Some(after) if after < current.last_id => match self.state_at(cast, after, &current).await? {
                    // The end of an earlier attempt is not the end of the cast.
                    Some(state) if attempt_of(&state) != current.attempt => (Some((*current).clone()), now),
                    Some(state) => (state, after),
                    None => {
                        frames.out.extend_from_slice(&self.gap(after, now, GapReason::Pruned));
                        (Some((*current).clone()), now)
                    }
                },
                after => (Some((*current).clone()), after.unwrap_or(now)),
            };
            if let Some(state) = &state {
                frames.row(cursor, &[(CastEvent::Status, all_fields(state))], state.updated_at);
            }
            Ok(Snapshot { folded: state, frames: out.into(), cursor, ends: None })
        })
    }

    fn wants_all(_want: &CastWant) -> bool {
        false
    }

    fn admit<'a>(
        &'a self,
        viewer: &'a Arc<Viewer>,
        cast: &'a CastId,
    ) -> BoxFuture<'a, Result<Admission<Slot>, NotAdmitted>> {
        Box::pin(async move {
            self.revocations.check(viewer)?;
            let found = self.directory.state(cast.channel()).await;
            let found = found.map_err(|error| NotAdmitted::Unavailable(unavailable(error)))?;
            let state = found.ok_or_else(|| no_such_cast(cast))?;
            if !state.is_owned_by(&viewer.user) {
                return Err(not_yours().into());
            }
            let slot = self.slots.take("too many clients follow casts")?;
            let mut admission = Admission::of_viewer(slot, viewer, Ts::clamped(Timestamp::now()));
            let longest = (Instant::now() + LONGEST, CloseReason::Timeout);
            let deadline = admission.deadline.filter(|deadline| deadline.0 < longest.0);
            admission.deadline = Some(deadline.unwrap_or(longest));
            Ok(admission)
        })
    }

    fn gap(&self, from: i64, to: i64, reason: GapReason) -> Bytes {
        frame::named("gap", &json!({"from": from, "to": to, "reason": reason.as_str()}))
    }

    /// A comment, because existing clients know no event `heartbeat`. A block with only an `id` moves their
    /// cursors.
    fn heartbeat(&self, now: Ts) -> Bytes {
        frame::comment(&format!("heartbeat {now}"))
    }

    fn close(&self, reason: CloseReason, retry: u64) -> Bytes {
        let mut out = frame::retry(retry).to_vec();
        let message = sentence(reason);
        if reason == CloseReason::Timeout {
            out.extend_from_slice(&frame::named("timeout", &json!({"message": message})));
        }
        out.extend_from_slice(&frame::named(
            "close",
            &json!({"message": message, "reason": reason.as_str()}),
        ));
        out.into()
    }
}

/// The message in the last frame. Clients may show it to users.
fn sentence(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::TokenExpired => "the credential has expired",
        CloseReason::Revoked => "the right to read this cast has ended",
        CloseReason::Closed | CloseReason::Finished => "the cast has ended",
        CloseReason::Timeout => "the connection has lasted five minutes: connect again",
        CloseReason::Refused => "this token may not read this cast",
        CloseReason::Shutdown => "the gateway has ended this stream: connect again",
    }
}
