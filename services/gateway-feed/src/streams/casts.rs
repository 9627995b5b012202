//! The streams of casts: the status, the progress and the end of one cast, or of all casts of a user.
//!
//! `GET /api/casts/{id}/events` and `GET /api/casts/events`. The events are those of [`CastEvent`], and
//! `timeout`, `gap` and `close`. A connection begins with `status`, which has all fields, unless the client
//! already has the end. Each later `status` has only the fields that have changed.
//!
//! A row that has no effect on the state ([`CastState::fold`](oasis_core::CastState::fold)) has no frame. To
//! decide this, each subscriber keeps the states after its last row (`folded.rs`). `snapshots.rs` makes the
//! beginning of a connection.

mod folded;
mod followed;
mod snapshots;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use oasis_core::cast::{CASTS, fields};
use oasis_core::{CastState, Meta, Ts};
use oasis_store::{Filter, Place, Store, StoredEvent};
use serde_json::json;
use tokio::time::Instant;

use super::slots::{Slot, Slots};
use crate::access::{NotAdmitted, Revocations, Viewer};
use crate::batch::ReadError;
use crate::casts::{Audit, Client, Lease, OpenStream, Places, Rate, no_such_cast, not_yours, unavailable};
use crate::directory::Directory;
use crate::fanout::admission::{Admission, Permit};
use crate::fanout::ends::CloseReason;
use crate::fanout::frame;
use crate::fanout::stream::{EndRow, GapReason, Rendered, Snapshot, Stream};
use crate::fanout::table::Selected;

pub(crate) use followed::{CastWant, Followed};

use folded::Folded;
use followed::{CastKey, CastMark};
use snapshots::Snapshots;

/// The streams of casts.
pub(crate) struct CastEvents {
    snapshots: Snapshots,
    directory: Arc<Directory<CastState>>,
    revocations: Arc<Revocations>,
    slots: Slots,
    places: Arc<Places>,
    audit: Arc<Audit>,
    longest: Duration,
}

impl CastEvents {
    /// Makes streams for at most `most` clients at the same time. A connection lasts at most `longest`.
    pub(crate) fn new(
        store: Store,
        directory: Arc<Directory<CastState>>,
        revocations: Arc<Revocations>,
        (places, audit): (Arc<Places>, Arc<Audit>),
        (most, longest): (usize, Duration),
    ) -> Self {
        let slots = Slots::new(most, metrics::gauge!("cast_subscribers"));
        let snapshots = Snapshots::new(store, directory.clone());
        Self { snapshots, directory, revocations, slots, places, audit, longest }
    }

    /// Checks that `viewer` may follow one cast. A user may always follow all of the user's own casts.
    async fn may_follow(&self, viewer: &Viewer, followed: &Followed) -> Result<(), NotAdmitted> {
        let Followed::Cast(cast) = followed else { return Ok(()) };
        let found = self.directory.state(cast.channel()).await;
        let found = found.map_err(|error| NotAdmitted::Unavailable(unavailable(error)))?;
        let state = found.ok_or_else(|| no_such_cast(cast))?;
        if state.is_owned_by(&viewer.user) { Ok(()) } else { Err(not_yours().into()) }
    }

    /// Whether the stream has as many clients as it accepts.
    pub(super) fn is_full(&self) -> bool {
        self.slots.are_taken()
    }
}

/// A user who asks to follow casts.
pub(crate) struct Follower {
    pub(crate) viewer: Arc<Viewer>,
    pub(crate) client: Client,
    /// How often the user has connected, once this is known.
    pub(crate) rate: OnceLock<Rate>,
    /// Whether the request has been counted. A decision may be repeated.
    pub(crate) is_counted: AtomicBool,
}

/// What a subscriber holds.
pub(crate) struct Seat {
    audit: Arc<Audit>,
    /// What the stream needs to begin. `None` once it has begun.
    waiting: Option<(Place, Lease, Slot)>,
    stream: Option<OpenStream>,
}

impl Permit for Seat {
    fn began(&mut self) {
        if let Some((place, lease, slot)) = self.waiting.take() {
            self.stream = Some(self.audit.opened(place, Box::new((lease, slot))));
        }
    }

    fn sent(&mut self, frames: &[u8]) {
        if let Some(stream) = &mut self.stream {
            stream.sent(frames);
        }
    }

    fn ended(&mut self, reason: CloseReason) {
        if let Some(stream) = &mut self.stream {
            stream.ended(reason);
        }
    }
}

impl Stream for CastEvents {
    const FAMILY: &'static str = CASTS;
    const HEARTBEAT: Duration = Duration::from_secs(30);
    const FOLDS: bool = true;

    type Topic = Followed;
    type Key = CastKey;
    type Want = CastWant;
    type Mark = CastMark;
    type Folded = Folded;
    type Viewer = Arc<Follower>;
    type Permit = Seat;

    fn keys(followed: &Followed) -> Vec<CastKey> {
        vec![match followed {
            Followed::Cast(cast) => CastKey::Cast(cast.channel().clone()),
            Followed::Own(user) => CastKey::Owner(user.clone()),
        }]
    }

    fn keys_of(row: &StoredEvent) -> impl Iterator<Item = CastKey> {
        let owner = row.meta.as_ref().and_then(|meta| meta.as_map().get(fields::OWNER)?.as_str());
        let owner = owner.map(|owner| CastKey::Owner(owner.into()));
        [Some(CastKey::Cast(row.channel.clone())), owner].into_iter().flatten()
    }

    /// The table has no index for the rows of a user's casts, so a subscriber that is behind continues with a
    /// snapshot.
    fn rows(followed: &Followed, _want: &CastWant) -> Vec<Selected> {
        match followed {
            Followed::Cast(cast) => vec![Filter::all(cast.channel().clone()).into()],
            Followed::Own(_) => Vec::new(),
        }
    }

    /// The ring keeps the `meta` of a row.
    fn render(&self, row: &StoredEvent, out: &mut Vec<u8>) -> Option<CloseReason> {
        out.extend_from_slice(row.meta.as_ref().map_or("{}", Meta::as_json).as_bytes());
        None
    }

    fn mark(&self, row: &StoredEvent) -> CastMark {
        CastMark {
            channel: row.channel.clone(),
            kind: row.kind.clone(),
            ts: row.ts,
            recorded_at: Ts::clamped(row.recorded_at),
        }
    }

    fn fold(
        folded: &mut Folded,
        followed: &Followed,
        want: &CastWant,
        rows: &[Rendered<'_, CastMark>],
        out: &mut Vec<u8>,
    ) -> Option<EndRow> {
        folded::fold(folded, followed, want, rows, out)
    }

    fn snapshot<'a>(
        &'a self,
        followed: &'a Followed,
        want: &'a CastWant,
        after: Option<i64>,
    ) -> BoxFuture<'a, Result<Snapshot<Folded>, ReadError>> {
        Box::pin(async move {
            match followed {
                Followed::Cast(cast) => self.snapshots.of_cast(cast, want, after).await,
                Followed::Own(user) => self.snapshots.of_user(user, want, after).await,
            }
        })
    }

    fn wants_all(_want: &CastWant) -> bool {
        false
    }

    /// A refused request counts, too. The limits of all connections come first, then the right to read this
    /// cast, and then the number of open streams.
    fn admit<'a>(
        &'a self,
        follower: &'a Arc<Follower>,
        followed: &'a Followed,
    ) -> BoxFuture<'a, Result<Admission<Seat>, NotAdmitted>> {
        Box::pin(async move {
            let viewer = &follower.viewer;
            self.revocations.check(viewer)?;
            self.places.check(viewer)?;
            let may_follow = match self.may_follow(viewer, followed).await {
                Err(NotAdmitted::Unavailable(error)) => return Err(NotAdmitted::Unavailable(error)),
                decided => decided,
            };
            let slot = self.slots.take("too many clients follow casts")?;
            let cast = match followed {
                Followed::Cast(cast) => Some(cast),
                Followed::Own(_) => None,
            };
            let about = Audit::about(cast, &follower.client).to_string();
            let counts = !follower.is_counted.swap(true, Ordering::Relaxed);
            let taken = self.places.take(viewer, about, (counts, may_follow.is_ok())).await;
            let (rate, lease, place) = taken.map_err(|error| NotAdmitted::Unavailable(unavailable(error)))?;
            // If the decision is repeated, the answer has begun already.
            let _ = follower.rate.set(rate);
            if rate.is_exceeded() {
                return Err(rate.too_often().into());
            }
            may_follow?;
            if !rate.has_place() {
                return Err(rate.too_many_streams().into());
            }
            let place_of = lease.subject();
            let seat = Seat { audit: self.audit.clone(), waiting: Some((place, lease, slot)), stream: None };
            let mut admission = Admission::of_viewer(seat, viewer, Ts::clamped(Timestamp::now()));
            admission.subjects.push(place_of);
            let longest = (Instant::now() + self.longest, CloseReason::Timeout);
            let deadline = admission.deadline.filter(|deadline| deadline.0 < longest.0);
            admission.deadline = Some(deadline.unwrap_or(longest));
            Ok(admission)
        })
    }

    fn gap(&self, from: i64, to: i64, reason: GapReason) -> Bytes {
        snapshots::gap(from, to, reason)
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
        CloseReason::Timeout => "the connection has reached its time limit: connect again",
        CloseReason::TooMany => "you have too many streams of casts open",
        CloseReason::Refused => "this token may not read this cast",
        CloseReason::Shutdown => "the gateway has ended this stream: connect again",
    }
}
