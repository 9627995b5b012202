//! The right to be a subscriber: what a stream grants ([`Admission`]), and the same after it has been
//! registered, so that a revocation ends the subscriber ([`Admitted`]).

use std::sync::Arc;

use oasis_core::Ts;

use super::ends::{CloseReason, Deadline, Ending, Ends};
use crate::access::{Subject, Viewer};

/// What a stream grants to a viewer that may read.
pub(crate) struct Admission<P> {
    /// Held until the subscriber is dropped.
    pub(crate) permit: P,
    /// If any of these subjects is revoked, the subscriber ends.
    pub(crate) subjects: Vec<Subject>,
    /// When and why the subscriber ends, even without a revocation. `None` if there is no deadline.
    pub(crate) deadline: Option<Deadline>,
    /// The user who reads. `None` if the stream knows no users.
    pub(crate) viewer: Option<Arc<Viewer>>,
    /// If the source of the rows is closed already, the end of its rows.
    pub(crate) over: Option<Over>,
}

/// The end of rows that no other row can follow. A subscriber ends after it has got these rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over {
    /// No row has a higher id.
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
    /// An admission that only the client or a shutdown ends.
    pub(crate) fn unlimited(permit: P) -> Self {
        Self { permit, subjects: Vec::new(), deadline: None, viewer: None, over: None }
    }

    /// An admission of a user, which ends with the user's credential. `now` is the current time.
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
