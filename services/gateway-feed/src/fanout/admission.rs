//! The admission of a subscriber. A stream grants an [`Admission`]. Once it has been registered with
//! [`Ends`], it is [`Admitted`], and a revocation ends the subscriber.

use std::sync::Arc;

use oasis_core::Ts;

use super::ends::{CloseReason, Deadline, Ending, Ends};
use crate::access::{Subject, Viewer};

/// What a subscriber holds until it is dropped, such as a slot of a limited number.
pub(crate) trait Permit: Send + Sync + 'static {
    /// The subscriber begins. An admission that is repeated before has not begun.
    fn began(&mut self) {}

    /// The subscriber has sent these frames.
    fn sent(&mut self, _frames: &[u8]) {}

    /// The subscriber ends, and its client is still connected.
    fn ended(&mut self, _reason: CloseReason) {}
}

/// What a stream grants to a viewer who may read.
pub(crate) struct Admission<P> {
    /// Held until the subscriber is dropped.
    pub(crate) permit: P,
    /// If any of these subjects is revoked, the subscriber ends.
    pub(crate) subjects: Vec<Subject>,
    /// When and why the subscriber ends, even without a revocation. `None` if there is no deadline.
    pub(crate) deadline: Option<Deadline>,
    /// The user who reads. `None` if the client is not known as a user.
    pub(crate) viewer: Option<Arc<Viewer>>,
    /// The end of the rows, if their source is already closed, such as a closed room.
    pub(crate) over: Option<Over>,
}

/// The end of the rows of a closed source. A subscriber ends after it has got all rows up to this end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over {
    /// The id of the last change of the source.
    pub(crate) last: i64,
    pub(crate) reason: CloseReason,
}

/// An [`Admission`] that has been registered.
pub(crate) struct Admitted<P> {
    pub(super) permit: P,
    pub(super) ending: Option<Ending>,
    pub(super) over: Option<Over>,
}

impl<P> Admission<P> {
    /// An admission that lasts until the client disconnects or the process shuts down.
    pub(crate) fn unlimited(permit: P) -> Self {
        Self { permit, subjects: Vec::new(), deadline: None, viewer: None, over: None }
    }

    /// An admission of a user, which ends when the user's credential expires or is revoked. `now` is the
    /// current time.
    pub(crate) fn of_viewer(permit: P, viewer: &Arc<Viewer>, now: Ts) -> Self {
        Self {
            permit,
            subjects: viewer.subjects(),
            deadline: viewer.deadline(now).map(|end| (end, CloseReason::TokenExpired)),
            viewer: Some(viewer.clone()),
            over: None,
        }
    }
}

impl<P> Admitted<P> {
    pub(crate) fn new(ends: &Arc<Ends>, admission: Admission<P>) -> Self {
        let Admission { permit, subjects, deadline, viewer, over } = admission;
        Self { permit, ending: ends.register(subjects, deadline, viewer), over }
    }
}
