//! Ends individual subscribers: at a deadline, or when one of their subjects is revoked ([`Ends::end`]).
//!
//! One queue of deadlines serves all subscribers of all streams. An index by subject finds the subscribers
//! that a revocation ends. A subscriber waits both for its own [`Ending`] and for the pulse of its topic.
//! So the end of one subscriber wakes no other subscriber of the topic. A subscriber without a deadline and
//! without a subject needs neither an `Ending` nor an entry here.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oasis_core::Channel;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::access::{Subject, Viewer};

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The credential has expired.
    TokenExpired,
    /// The viewer may no longer read.
    Revoked,
    /// The source of the rows was closed, for example a room.
    Closed,
    /// The work that the stream reports has ended.
    Finished,
    /// The longest time of a connection has passed.
    Timeout,
    /// The user has too many streams open.
    TooMany,
    /// A client that waited for the database may not read.
    Refused,
    /// The process is shutting down, or the right of the viewer cannot be checked.
    Shutdown,
}

impl CloseReason {
    /// The name of the reason on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::Revoked => "revoked",
            Self::Closed => "closed",
            Self::Finished => "terminal_state",
            Self::Timeout => "timeout",
            Self::TooMany => "too_many_connections",
            Self::Refused => "refused",
            Self::Shutdown => "shutdown",
        }
    }
}

/// The time at which a subscriber ends, and the reason.
pub(crate) type Deadline = (Instant, CloseReason);

/// All subscribers that have a deadline or a subject.
#[derive(Default)]
pub(crate) struct Ends {
    inner: Mutex<Inner>,
    /// Signals that the queue has an earlier deadline than before.
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    next: u64,
    open: HashMap<u64, Open>,
    deadlines: BTreeSet<(Instant, u64)>,
    subjects: HashMap<Subject, BTreeSet<u64>>,
    revocations: u64,
}

/// A registered subscriber that has not ended.
struct Open {
    end: oneshot::Sender<CloseReason>,
    deadline: Option<Deadline>,
    subjects: Vec<Subject>,
    viewer: Option<Arc<Viewer>>,
}

/// The end of one subscriber, which the subscriber waits for.
pub(crate) struct Ending {
    id: u64,
    ends: Arc<Ends>,
    reason: oneshot::Receiver<CloseReason>,
}

impl Ends {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a subscriber that ends at `deadline`, or when one of `subjects` is revoked. `viewer` is the
    /// user who reads. Returns `None` if there is no deadline and no subject.
    pub(crate) fn register(
        self: &Arc<Self>,
        subjects: Vec<Subject>,
        deadline: Option<Deadline>,
        viewer: Option<Arc<Viewer>>,
    ) -> Option<Ending> {
        if subjects.is_empty() && deadline.is_none() {
            return None;
        }
        let (end, reason) = oneshot::channel();
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        for subject in &subjects {
            inner.subjects.entry(subject.clone()).or_default().insert(id);
        }
        if let Some((at, _)) = deadline {
            inner.deadlines.insert((at, id));
            if inner.deadlines.first().is_some_and(|(_, first)| *first == id) {
                self.changed.notify_one();
            }
        }
        inner.open.insert(id, Open { end, deadline, subjects, viewer });
        // The deadline of a viewer that has waited for the database may have passed. Such a viewer must get
        // no frame, even if the task that ends subscribers runs a moment later.
        inner.due(Instant::now());
        Some(Ending { id, ends: self.clone(), reason })
    }

    /// Ends every subscriber with the subject `subject`, if `ends` returns true for its viewer. A subscriber
    /// without a viewer always ends. Returns the number of ended subscribers.
    pub(crate) fn end(
        &self,
        subject: &Subject,
        reason: CloseReason,
        ends: impl Fn(&Viewer) -> bool,
    ) -> usize {
        let mut inner = self.lock();
        inner.revocations += 1;
        let mut ids = inner.subjects.get(subject).cloned().unwrap_or_default();
        ids.retain(|id| {
            let viewer = inner.open.get(id).and_then(|open| open.viewer.as_deref());
            viewer.is_none_or(&ends)
        });
        ids.iter().for_each(|id| inner.finish(*id, Some(reason)));
        ids.len()
    }

    /// The channels among the subjects of all subscribers.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        let channel = |subject: &Subject| match subject {
            Subject::Channel(channel) => Some(channel.clone()),
            Subject::User(_) | Subject::Token(_) | Subject::Key(_) | Subject::Place(_) => None,
        };
        self.lock().subjects.keys().filter_map(channel).collect()
    }

    /// Announces that the rights to `subject` may have changed. Returns whether a registered subscriber has
    /// this subject. If so, the caller must check the right of this subscriber. A viewer who is being
    /// admitted at the same time is either registered already, or is admitted again.
    pub(crate) fn doubt(&self, subject: &Subject) -> bool {
        let mut inner = self.lock();
        inner.revocations += 1;
        inner.subjects.contains_key(subject)
    }

    /// Announces that any right may have changed. Each viewer who is being admitted at the same time is
    /// admitted again.
    pub(crate) fn doubt_all(&self) {
        self.lock().revocations += 1;
    }

    /// The number of calls of `end`, `doubt` and `doubt_all` so far. A revocation between the admission of a
    /// viewer and the registration of its subscriber does not end the subscriber. So if this number has
    /// changed between these two steps, the viewer must be admitted again.
    pub(crate) fn revocations(&self) -> u64 {
        self.lock().revocations
    }

    /// Ends subscribers at their deadlines, until the future is dropped.
    pub(crate) async fn run(&self) {
        loop {
            let next = self.lock().due(Instant::now());
            match next {
                // The queue may get an earlier deadline in the meantime.
                Some(next) => tokio::select! {
                    biased;
                    () = self.changed.notified() => {}
                    () = sleep_until(next) => {}
                },
                None => self.changed.notified().await,
            }
        }
    }
}

impl Inner {
    /// Ends the subscribers whose deadline has come, and returns the next deadline.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > now {
                return Some(at);
            }
            let reason = self.open.get(&id).and_then(|open| open.deadline).map(|(_, reason)| reason);
            self.finish(id, reason);
        }
        None
    }

    /// Removes a subscriber. If there is a `reason`, the subscriber gets the reason and ends.
    fn finish(&mut self, id: u64, reason: Option<CloseReason>) {
        let Some(open) = self.open.remove(&id) else { return };
        if let Some((at, _)) = open.deadline {
            self.deadlines.remove(&(at, id));
        }
        for subject in &open.subjects {
            if let Some(ids) = self.subjects.get_mut(subject) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.subjects.remove(subject);
                }
            }
        }
        if let Some(reason) = reason {
            // Sending fails if the subscriber is being dropped. In that case, the subscriber does not need
            // the reason.
            let _ = open.end.send(reason);
        }
    }
}

impl Ending {
    /// Waits until the subscriber must end, and returns the reason.
    pub(crate) async fn wait(&mut self) -> CloseReason {
        match (&mut self.reason).await {
            Ok(reason) => reason,
            // The subscriber was removed without a reason.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.ends.lock().finish(self.id, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If the rights of a viewer were looked up before a change, the viewer is either registered when the
    /// rights change, or is admitted again.
    #[tokio::test]
    async fn a_viewer_who_is_admitted_during_a_change_is_not_missed() {
        let ends = Arc::new(Ends::default());
        let subject = Subject::User("ann".into());
        let before = ends.revocations();
        let admitted = ends.register(vec![subject.clone()], None, None);
        assert_eq!(ends.revocations(), before);
        assert!(ends.doubt(&subject), "the viewer was registered before the change");
        drop(admitted);
        let before = ends.revocations();
        assert!(!ends.doubt(&subject));
        let _admitted = ends.register(vec![subject], None, None);
        assert_ne!(ends.revocations(), before, "the viewer must be admitted again");
        let before = ends.revocations();
        ends.doubt_all();
        assert_ne!(ends.revocations(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_whose_time_is_over_ends_at_once() {
        let ends = Arc::new(Ends::default());
        let now = Instant::now();
        let mut over = ends.register(Vec::new(), Some((now, CloseReason::TokenExpired)), None).unwrap();
        // No task ends subscribers at their deadlines here.
        assert_eq!(over.reason.try_recv(), Ok(CloseReason::TokenExpired));
        let later = now + std::time::Duration::from_secs(1);
        let mut open = ends.register(Vec::new(), Some((later, CloseReason::TokenExpired)), None).unwrap();
        assert!(open.reason.try_recv().is_err());
    }
}
