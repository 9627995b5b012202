//! The stream of a room: the lines of its log, for the users who may read the room.
//!
//! `GET /api/v1/rooms/{id}/logs`. The events are `connected`, `log`, `heartbeat`, `gap` and `close`.

use std::iter::once;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use oasis_core::room::{ROOMS, RoomId, kinds};
use oasis_core::{Channel, Kind, RoomState, Ts};
use oasis_store::{Filter, StoredEvent};
use serde::Serialize;

use super::slots::{Slot, Slots};
use crate::access::{NotAdmitted, Revocations, Subject, Viewer};
use crate::directory::Directory;
use crate::fanout::admission::{Admission, Over};
use crate::fanout::ends::CloseReason;
use crate::fanout::frame;
use crate::fanout::pulse::Presence;
use crate::fanout::stream::{Fresh, GapReason, Stream};
use crate::fanout::table::Selected;
use crate::rooms::{self, Defaults, StoredLine};

/// How many earlier lines a new client gets first by default.
pub(crate) const TAIL: usize = 100;
/// The maximum number of earlier lines that a client can ask for.
pub(crate) const MOST_TAIL: usize = 1_000;

/// The stream of rooms.
pub(crate) struct RoomLogs {
    directory: Arc<Directory<RoomState>>,
    revocations: Arc<Revocations>,
    slots: Slots,
    defaults: Defaults,
}

impl RoomLogs {
    /// Makes a stream for at most `most` clients at the same time.
    pub(crate) fn new(
        directory: Arc<Directory<RoomState>>,
        revocations: Arc<Revocations>,
        most: usize,
    ) -> Self {
        let slots = Slots::new(most, metrics::gauge!("room_subscribers"));
        Self { directory, revocations, slots, defaults: Defaults::new() }
    }

    /// Whether the stream has as many clients as it accepts.
    pub(super) fn is_full(&self) -> bool {
        self.slots.are_taken()
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Message<'a> {
    #[serde(rename_all = "camelCase")]
    Connected {
        room_id: &'a str,
        timestamp: Ts,
    },
    Heartbeat {
        timestamp: Ts,
    },
    Gap {
        from: i64,
        to: i64,
        reason: &'static str,
    },
    Close {
        message: &'static str,
        reason: &'static str,
    },
}

/// The message for users in the last frame.
fn sentence(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::TokenExpired => "the token has expired",
        CloseReason::Revoked => "the right to read this room has ended",
        CloseReason::Closed | CloseReason::Finished => "the room is closed",
        CloseReason::TooMany | CloseReason::Refused => "this token may not read this room",
        CloseReason::Shutdown | CloseReason::Timeout => "the gateway has ended this stream: connect again",
    }
}

impl Stream for RoomLogs {
    const FAMILY: &'static str = ROOMS;
    const HEARTBEAT: Duration = Duration::from_secs(30);

    type Topic = RoomId;
    type Key = Channel;
    /// How many earlier lines a new subscriber gets.
    type Want = usize;
    type Mark = ();
    type Folded = ();
    type Viewer = Arc<Viewer>;
    type Permit = Slot;

    fn keys(room: &RoomId) -> Vec<Channel> {
        vec![room.channel().clone()]
    }

    fn keys_of(row: &StoredEvent) -> impl Iterator<Item = Channel> {
        once(row.channel.clone())
    }

    /// The rows that change a room are not part of its log, except the row that closes the room.
    fn shows(_room: &RoomId, row: &StoredEvent) -> bool {
        matches!(row.kind.as_str(), kinds::LOG | kinds::CLOSED)
    }

    fn rows(room: &RoomId, _tail: &usize) -> Vec<Selected> {
        let kind = [kinds::LOG, kinds::CLOSED].map(Kind::stored).to_vec();
        vec![Filter { kind, ..Filter::all(room.channel().clone()) }.into()]
    }

    fn render(&self, row: &StoredEvent, out: &mut Vec<u8>) -> Option<CloseReason> {
        frame::id(out, row.id);
        if row.kind.as_str() == kinds::CLOSED {
            // The block has only an id, which moves the client's cursor. The last frame follows.
            out.push(b'\n');
            return Some(CloseReason::Closed);
        }
        frame::event(out, "log");
        frame::data(out, &StoredLine::read(row).line(row, &self.defaults));
        None
    }

    fn mark(&self, _row: &StoredEvent) {}

    fn wants_all(_tail: &usize) -> bool {
        true
    }

    fn wants(_tail: &usize, (): &()) -> bool {
        true
    }

    fn admit<'a>(
        &'a self,
        viewer: &'a Arc<Viewer>,
        room: &'a RoomId,
    ) -> BoxFuture<'a, Result<Admission<Slot>, NotAdmitted>> {
        Box::pin(async move {
            self.revocations.check(viewer)?;
            let found = self.directory.state(room.channel()).await;
            let found = found.map_err(|error| NotAdmitted::Unavailable(rooms::unavailable(error)))?;
            let state = found.ok_or_else(|| rooms::no_such_room(room))?;
            if !rooms::may_read(&state, viewer) {
                return Err(rooms::not_yours().into());
            }
            let permit = self.slots.take("too many clients follow rooms")?;
            let mut admission = Admission::of_viewer(permit, viewer, Ts::clamped(Timestamp::now()));
            admission.subjects.push(Subject::Channel(room.channel().clone()));
            admission.over =
                state.is_closed.then_some(Over { last: state.last_id, reason: CloseReason::Closed });
            Ok(admission)
        })
    }

    /// In a closed room, the replay also needs the row that closes the room.
    fn fresh(&self, tail: &usize, is_over: bool) -> Fresh {
        match tail + usize::from(is_over) {
            0 => Fresh::Live,
            last => Fresh::Last(last),
        }
    }

    fn greeting(&self, room: &RoomId, now: Ts, _presence: Presence, _head: i64) -> Bytes {
        frame::named("connected", &Message::Connected { room_id: room.as_str(), timestamp: now })
    }

    fn gap(&self, from: i64, to: i64, reason: GapReason) -> Bytes {
        frame::named("gap", &Message::Gap { from, to, reason: reason.as_str() })
    }

    fn heartbeat(&self, now: Ts) -> Bytes {
        frame::named("heartbeat", &Message::Heartbeat { timestamp: now })
    }

    fn close(&self, reason: CloseReason, retry: u64) -> Bytes {
        let mut out = frame::retry(retry).to_vec();
        let message = Message::Close { message: sentence(reason), reason: reason.as_str() };
        out.extend_from_slice(&frame::named("close", &message));
        out.into()
    }
}
