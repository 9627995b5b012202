//! Ends open streams whose viewers may no longer read. [`Rights`] gets each update of the tail before the
//! streams get it. So if a row takes a right away, the affected streams end before they get a later row.
//!
//! A revocation is stored in [`Revocations`], which refuses new requests. `Ends::end` in `fanout/ends.rs`
//! then ends the open streams of the same subject. If the readers of a room change, the state of the room is
//! looked up, and `Ends::end` ends the streams of the viewers who may no longer read the room.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use oasis_core::cast::{CASTS, kinds::CHANGES};
use oasis_core::room::{ROOMS, kinds};
use oasis_core::{CastState, Channel, RoomState, chain};
use oasis_store::{Revocation, Store, StoredEvent, Update};
use tokio::time::{Instant, sleep, timeout_at};

use crate::access::{self, Revocations, Subject};
use crate::batch::ReadError;
use crate::directory::Directory;
use crate::fanout::ends::CloseReason;
use crate::rooms::may_read;
use crate::streams::Streams;

/// The pause after a failed read of the revocations.
const RETRY: Duration = Duration::from_millis(500);
/// How long to try to look up the state of a room after a change. The tail waits meanwhile.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(1);
/// The pause after a failed lookup.
const LOOK_UP_AGAIN: Duration = Duration::from_millis(50);

/// The rights of viewers. See the head of this file.
pub(crate) struct Rights {
    pub(crate) store: Store,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) rooms: Arc<Directory<RoomState>>,
    pub(crate) casts: Arc<Directory<CastState>>,
    pub(crate) streams: Arc<Streams>,
}

impl Rights {
    /// Handles an update from the tail.
    pub(crate) async fn update(&self, update: &Update) {
        match update {
            Update::Start { head, .. } => self.start(*head).await,
            Update::Events(events) => self.observe(events).await,
            // Retention also deletes the states of casts.
            Update::Pruned(_) => self.casts.clear(),
            Update::Up { .. } | Update::Down(_) => {}
        }
    }

    /// Reads all revocations, and checks every open stream. The tail waits until this succeeds.
    async fn start(&self, head: i64) {
        self.rooms.set_head(head);
        self.rooms.clear();
        self.casts.set_head(head);
        self.casts.clear();
        let found = loop {
            let error = match self.store.revocations(0).await {
                Ok(found) if found.head >= head => break found,
                Ok(_) => chain(&ReadError::Stale),
                Err(error) => chain(&error),
            };
            tracing::warn!(error, "the revoked tokens can't be read, and the gateway tries again");
            self.streams.update(Update::Down(error)).await;
            sleep(RETRY).await;
        };
        let revocations = found.revocations;
        self.revocations.replace(&revocations, found.head);
        revocations.iter().for_each(|revocation| self.end(revocation));
        let ends = self.streams.ends();
        ends.doubt_all();
        self.check_all(&ends.channels()).await;
    }

    async fn observe(&self, events: &[StoredEvent]) {
        let Some(last) = events.last() else { return };
        self.rooms.set_head(last.id);
        self.casts.set_head(last.id);
        let mut changed = Vec::new();
        for event in events.iter().filter(|event| !event.channel.is_devhub()) {
            if let Some(revocation) = Revocation::from_event(event) {
                self.revocations.add(&revocation);
                self.end(&revocation);
            }
            match (event.channel.family(), event.kind.as_str()) {
                // The streams get the row that closes a room, and end by themselves.
                (ROOMS, kinds::OPENED | kinds::CLOSED) => self.rooms.forget(&event.channel),
                (ROOMS, kinds::UPDATED) => {
                    self.rooms.forget(&event.channel);
                    changed.push(&event.channel);
                }
                // The owner of a cast never changes.
                (CASTS, kind) if CHANGES.contains(&kind) => self.casts.forget(&event.channel),
                _ => {}
            }
        }
        self.revocations.reached(last.id);
        changed.sort_unstable();
        changed.dedup();
        self.check_all(changed).await;
    }

    /// Ends the streams of the viewers that a revocation covers.
    fn end(&self, revocation: &Revocation) {
        let (subject, before) = access::parts(revocation);
        let ended =
            self.streams.ends().end(&subject, CloseReason::Revoked, |viewer| access::covers(before, viewer));
        if ended > 0 {
            tracing::info!(streams = ended, "a revocation ended open streams");
        }
    }

    /// Checks the viewers of some rooms at the same time. The lookups of the rooms share statements.
    async fn check_all(&self, channels: impl IntoIterator<Item = &Channel>) {
        join_all(channels.into_iter().map(|channel| self.check(channel))).await;
    }

    /// Ends the streams of the viewers that may no longer read a room.
    async fn check(&self, channel: &Channel) {
        let subject = Subject::Channel(channel.clone());
        let ends = self.streams.ends();
        if !ends.doubt(&subject) {
            return;
        }
        match self.look_up(channel).await {
            Ok(room) => {
                let refused =
                    |viewer: &access::Viewer| room.as_deref().is_none_or(|room| !may_read(room, viewer));
                ends.end(&subject, CloseReason::Revoked, refused);
            }
            Err(error) => {
                // Without the state of the room, no one may continue to read. The clients reconnect soon.
                tracing::warn!(error = chain(&error), "the readers of a room can't be checked");
                ends.end(&subject, CloseReason::Shutdown, |_| true);
            }
        }
    }

    /// Looks up a room. The lookup may fail because a connection of the pool has broken, or because the
    /// server of the pool is a little behind the server of the tail. So failed lookups are repeated for a
    /// second.
    async fn look_up(&self, channel: &Channel) -> Result<Option<Arc<RoomState>>, ReadError> {
        let give_up = Instant::now() + LOOK_UP_WITHIN;
        loop {
            match timeout_at(give_up, self.rooms.read(channel)).await.unwrap_or(Err(ReadError::Late)) {
                Err(error) if Instant::now() + LOOK_UP_AGAIN < give_up => {
                    tracing::debug!(error = chain(&error), "a room is looked up again");
                    sleep(LOOK_UP_AGAIN).await;
                }
                found => return found,
            }
        }
    }
}
