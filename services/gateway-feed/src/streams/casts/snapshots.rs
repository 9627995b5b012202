//! [`Snapshots`]: the beginning of a connection.

use std::sync::Arc;

use bytes::Bytes;
use oasis_core::cast::{CastEvent, CastId, kinds};
use oasis_core::{CastState, Kind, Meta, StateRow, Ts};
use oasis_store::{ChannelRange, RangeOrder, Store};
use serde_json::{Map, json};
use tokio::sync::Semaphore;

use super::folded::Folded;
use super::followed::CastWant;
use crate::batch::ReadError;
use crate::casts::{Frames, all_fields, complete};
use crate::directory::Directory;
use crate::fanout::ends::CloseReason;
use crate::fanout::frame;
use crate::fanout::stream::{GapReason, Snapshot};

/// The number of rows of one read of a cast's history.
const ROWS: i64 = 500;
/// The maximum number of a user's casts with which a connection begins: of those that have not ended, and of
/// those that have changed.
const MOST_CASTS: usize = 1_000;
/// The number of casts that a connection knows in addition: those that have changed last.
const LATEST: i64 = 100;

/// The maximum number of reads of the casts of a user at the same time.
const READS: usize = 4;

/// The attempt that a client with this state is in. A cast is opened with the attempt 1.
fn attempt_of(state: Option<&CastState>) -> i32 {
    state.map_or(1, |state| state.attempt)
}

/// The frame that reports that rows are not available.
pub(super) fn gap(from: i64, to: i64, reason: GapReason) -> Bytes {
    frame::named("gap", &json!({"from": from, "to": to, "reason": reason.as_str()}))
}

/// Reads the beginning of connections.
pub(super) struct Snapshots {
    store: Store,
    directory: Arc<Directory<CastState>>,
    /// Limits how many reads of the casts of a user there are at the same time.
    reads: Semaphore,
}

impl Snapshots {
    pub(super) fn new(store: Store, directory: Arc<Directory<CastState>>) -> Self {
        Self { store, directory, reads: Semaphore::new(READS) }
    }

    /// The beginning of the stream of one cast.
    pub(super) async fn of_cast(
        &self,
        cast: &CastId,
        want: &CastWant,
        after: Option<i64>,
    ) -> Result<Snapshot<Folded>, ReadError> {
        let head = self.directory.head();
        let over = |cursor, reason| Snapshot {
            folded: Folded::new(),
            frames: Bytes::new(),
            cursor,
            ends: Some(reason),
        };
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
                Some(state) if attempt_of(state.as_ref()) != current.attempt => {
                    (Some((*current).clone()), now)
                }
                Some(state) => (state, after),
                None => {
                    frames.out.extend_from_slice(&gap(after, now, GapReason::Pruned));
                    (Some((*current).clone()), now)
                }
            },
            after => (Some((*current).clone()), after.unwrap_or(now)),
        };
        if let Some(state) = &state {
            frames.row(cursor, &[(CastEvent::Status, all_fields(state))], state.updated_at);
        }
        let folded = state.map(|state| (cast.channel().clone(), state)).into_iter().collect();
        Ok(Snapshot { folded, frames: out.into(), cursor, ends: None })
    }

    /// The state after the rows up to `cursor`. `None` if retention may have deleted rows after the cursor,
    /// or if the table no longer has all rows of the `current` state.
    async fn state_at(
        &self,
        cast: &CastId,
        cursor: i64,
        current: &CastState,
    ) -> Result<Option<Option<CastState>>, ReadError> {
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

    /// The beginning of the stream of all casts of `user`. Without a cursor, it has the casts that have not
    /// ended. With a cursor, it has the casts that have changed since then, in the order of their changes.
    pub(super) async fn of_user(
        &self,
        user: &str,
        want: &CastWant,
        after: Option<i64>,
    ) -> Result<Snapshot<Folded>, ReadError> {
        let head = self.directory.head();
        // The semaphore is never closed.
        let turn = self.reads.acquire().await.ok();
        let most = (MOST_CASTS as i64, LATEST);
        let mut found = self.store.casts_to_follow(user, after, most).await?;
        drop(turn);
        if found.head < head {
            return Err(ReadError::Stale);
        }
        found.states.sort_unstable_by_key(|cast| cast.state.last_id);
        let mut out = Vec::new();
        let is_new = |state: &CastState| match after {
            Some(after) => state.last_id > after,
            None => !state.status.is_final(),
        };
        let shown = || found.states.iter().map(|cast| &cast.state).filter(|state| is_new(state));
        let (shown, oldest) = (shown().count(), shown().next().map_or(0, |oldest| oldest.last_id));
        if shown >= MOST_CASTS {
            out.extend_from_slice(&gap(after.unwrap_or_default(), oldest - 1, GapReason::TooMany));
        }
        for found in &found.states {
            let (state, cast_id) = (&found.state, found.channel.id().unwrap_or_default());
            let mut events = vec![(CastEvent::Status, all_fields(state))];
            events.extend(state.status.is_final().then(|| complete(state)));
            if is_new(state) {
                let mut frames = Frames { cast_id, wanted: &want.events, out: &mut out };
                frames.row(state.last_id, &events, state.updated_at);
            }
        }
        let newest = found.states.last().map_or(0, |cast| cast.state.last_id);
        let cursor = head.max(newest).max(after.unwrap_or_default());
        out.extend_from_slice(&frame::cursor(cursor));
        let folded = found.states.into_iter().map(|cast| (cast.channel, cast.state)).collect();
        Ok(Snapshot { folded, frames: out.into(), cursor, ends: None })
    }
}
