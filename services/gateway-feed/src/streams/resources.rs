//! The stream of resource events: what happens to the clusters, projects and workloads that a client selects.
//! Every user may follow it, within the limits of the user's token.
//!
//! `GET /api/v1/events/stream`. Every event is named: `connected`, the seven types of resource events,
//! `heartbeat`, `gap` and `close`. The data is always a flat object with `event_type` and `timestamp`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_core::resource::RESOURCES;
use oasis_store::StoredEvent;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;

use super::slots::{Slot, Slots};
use crate::access::{NotAdmitted, Revocations, Viewer};
use crate::fanout::admission::Admission;
use crate::fanout::ends::CloseReason;
use crate::fanout::frame;
use crate::fanout::pulse::Presence;
use crate::fanout::stream::{Fresh, GapReason, Stream};
use crate::fanout::table::Selected;
use crate::resources::{Key, Selection, UnixSeconds, View, keys_of};

/// The stream of resource events.
pub(crate) struct ResourceEvents {
    revocations: Arc<Revocations>,
    slots: Slots,
}

impl ResourceEvents {
    /// Makes a stream for at most `most` clients at the same time.
    pub(crate) fn new(revocations: Arc<Revocations>, most: usize) -> Self {
        Self { revocations, slots: Slots::new(most, metrics::gauge!("resource_subscribers")) }
    }

    /// Whether the stream has as many clients as it accepts.
    pub(super) fn is_full(&self) -> bool {
        self.slots.are_taken()
    }
}

/// An event about the stream itself.
#[derive(Serialize)]
struct Message<'a> {
    event_type: &'static str,
    timestamp: UnixSeconds,
    #[serde(flatten)]
    more: More<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum More<'a> {
    Connected { connection_id: &'a str },
    Heartbeat {},
    Gap { from: i64, to: i64, reason: &'static str },
    Close { message: &'static str, reason: &'static str },
}

fn event(name: &'static str, now: Ts, more: More<'_>) -> Bytes {
    frame::named(name, &Message { event_type: name, timestamp: UnixSeconds(now), more })
}

fn now() -> Ts {
    Ts::clamped(Timestamp::now())
}

/// The message in the last frame. Clients may show it to users.
fn sentence(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::TokenExpired => "the credential has expired",
        CloseReason::Revoked => "the credential has been revoked",
        CloseReason::Closed | CloseReason::Finished => "the stream is closed",
        CloseReason::TooMany | CloseReason::Refused => "this token may not read this stream",
        CloseReason::Shutdown | CloseReason::Timeout => "the gateway has ended this stream: connect again",
    }
}

impl Stream for ResourceEvents {
    const FAMILY: &'static str = RESOURCES;
    const HEARTBEAT: Duration = Duration::from_secs(15);

    type Topic = Selection;
    type Key = Key;
    type Want = ();
    type Mark = ();
    type Folded = ();
    type Viewer = Arc<Viewer>;
    type Permit = Slot;

    fn keys(selection: &Selection) -> Vec<Key> {
        selection.keys()
    }

    fn keys_of(row: &StoredEvent) -> impl Iterator<Item = Key> {
        keys_of(row)
    }

    fn shows(selection: &Selection, row: &StoredEvent) -> bool {
        selection.contains(row)
    }

    fn rows(selection: &Selection, (): &()) -> Vec<Selected> {
        selection.rows()
    }

    fn render(&self, row: &StoredEvent, out: &mut Vec<u8>) -> Option<CloseReason> {
        frame::id(out, row.id);
        frame::event(out, row.kind.as_str());
        frame::data(out, &View { row, with_id: false });
        None
    }

    fn mark(&self, _row: &StoredEvent) {}

    fn wants_all((): &()) -> bool {
        true
    }

    fn wants((): &(), (): &()) -> bool {
        true
    }

    /// Admits every user whose credential has not been revoked, while a slot is free. The selection is
    /// already within the limits of the user's token.
    fn admit<'a>(
        &'a self,
        viewer: &'a Arc<Viewer>,
        _selection: &'a Selection,
    ) -> BoxFuture<'a, Result<Admission<Slot>, NotAdmitted>> {
        let admit = || {
            self.revocations.check(viewer)?;
            let slot = self.slots.take("too many clients follow resource events")?;
            Ok(Admission::of_viewer(slot, viewer, now()))
        };
        Box::pin(ready(admit()))
    }

    /// Clients show a message for each event, so a new connection gets no earlier events.
    fn fresh(&self, (): &(), _is_over: bool) -> Fresh {
        Fresh::Live
    }

    fn greeting(&self, _selection: &Selection, now: Ts, _presence: Presence, _head: i64) -> Bytes {
        let mut random = [0_u8; 8];
        // Clients use the id only to tell connections apart in their logs, so a failure does no harm.
        let _ = SystemRandom::new().fill(&mut random);
        let connection_id = format!("{:016x}", u64::from_be_bytes(random));
        event("connected", now, More::Connected { connection_id: &connection_id })
    }

    fn gap(&self, from: i64, to: i64, reason: GapReason) -> Bytes {
        event("gap", now(), More::Gap { from, to, reason: reason.as_str() })
    }

    fn heartbeat(&self, now: Ts) -> Bytes {
        event("heartbeat", now, More::Heartbeat {})
    }

    fn close(&self, reason: CloseReason, retry: u64) -> Bytes {
        let mut out = frame::retry(retry).to_vec();
        let more = More::Close { message: sentence(reason), reason: reason.as_str() };
        out.extend_from_slice(&event("close", now(), more));
        out.into()
    }
}
