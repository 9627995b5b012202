//! Keeps the rights of open streams up to date. [`Rights`] sees each update of the tail before the streams
//! do. So when a row takes a right away, the streams that lose the right end before they get a later row.

use std::sync::Arc;
use std::time::Duration;

use oasis_core::room::{ROOMS, kinds};
use oasis_core::{Channel, chain};
use oasis_store::{Revocation, Store, StoredEvent, Update};
use tokio::time::sleep;

use crate::access::{self, Revocations, Subject};
use crate::fanout::ends::CloseReason;
use crate::rooms::{Directory, may_read};
use crate::streams::Streams;

/// The pause after a failed read of the revocations.
const RETRY: Duration = Duration::from_millis(500);

/// The rights of viewers. See the head of this file.
pub(crate) struct Rights {
    pub(crate) store: Store,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) rooms: Arc<Directory>,
    pub(crate) streams: Arc<Streams>,
}

impl Rights {
    /// Handles an update from the tail.
    pub(crate) async fn update(&self, update: &Update) {
        match update {
            Update::Start { head, .. } => self.start(*head).await,
            Update::Events(events) => self.observe(events).await,
            Update::Pruned(_) | Update::Up { .. } | Update::Down(_) => {}
        }
    }

    /// Reads all revocations, and checks every open stream. The tail does not go on before this has
    /// succeeded.
    async fn start(&self, head: i64) {
        self.rooms.seen(head);
        self.rooms.clear();
        let revocations = loop {
            match self.store.revocations().await {
                Ok(revocations) => break revocations,
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(error, "the revoked tokens can't be read, and the gateway tries again");
                    self.streams.update(Update::Down(error)).await;
                    sleep(RETRY).await;
                }
            }
        };
        self.revocations.replace(&revocations);
        revocations.iter().for_each(|revocation| self.end(revocation));
        for channel in self.streams.ends().channels() {
            self.check(&channel).await;
        }
    }

    async fn observe(&self, events: &[StoredEvent]) {
        let Some(last) = events.last() else { return };
        self.rooms.seen(last.id);
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
                    self.check(&event.channel).await;
                }
                _ => {}
            }
        }
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

    /// Ends the streams of the viewers that may no longer read a room.
    async fn check(&self, channel: &Channel) {
        let subject = Subject::Channel(channel.clone());
        let ends = self.streams.ends();
        match if ends.knows(&subject) { Some(self.rooms.read(channel).await) } else { None } {
            // The lookup may still be in progress for a viewer that is being admitted. The viewer is then
            // admitted again, because this counts as a revocation.
            None => _ = ends.end(&subject, CloseReason::Revoked, |_| false),
            Some(Ok(room)) => {
                let refused =
                    |viewer: &access::Viewer| room.as_deref().is_none_or(|room| !may_read(room, viewer));
                ends.end(&subject, CloseReason::Revoked, refused);
            }
            Some(Err(error)) => {
                // Without the state of the room, nobody may read on. The clients come back soon.
                tracing::warn!(error = chain(&error), "the readers of a room can't be checked");
                ends.end(&subject, CloseReason::Shutdown, |_| true);
            }
        }
    }
}
