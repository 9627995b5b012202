//! Ends single subscribers: at a deadline, or because a subject may no longer read.
//!
//! One queue of deadlines serves all subscribers of all streams, and an index by subject finds those that a
//! revocation ends. A subscriber waits for its own [`Ending`] beside its topic's pulse, so nobody else of the
//! topic is woken. A subscriber without a deadline and without a subject has no `Ending` and costs nothing
//! here.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The token has expired.
    TokenExpired,
    /// The viewer may no longer read.
    Revoked,
    /// What the stream shows was closed.
    Closed,
    /// The process ends.
    Shutdown,
}

impl CloseReason {
    /// The word for it on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::Revoked => "revoked",
            Self::Closed => "closed",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What a revocation names: a user, a token, a key, a room. The first part is the sort, so that none can be
/// taken for another.
pub(crate) type Subject = (&'static str, Arc<str>);

/// A deadline, and why the subscriber ends then.
pub(crate) type Deadline = (Instant, CloseReason);

/// All subscribers that can be ended.
#[derive(Default)]
pub(crate) struct Ends {
    inner: Mutex<Inner>,
    /// The queue has an earlier deadline than before.
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

/// One subscriber that has not been ended.
struct Open {
    end: oneshot::Sender<CloseReason>,
    deadline: Option<Deadline>,
    subjects: Vec<Subject>,
}

/// One subscriber's own end, which it waits for.
pub(crate) struct Ending {
    id: u64,
    ends: Arc<Ends>,
    reason: oneshot::Receiver<CloseReason>,
}

impl Ends {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a subscriber that ends at `deadline`, or when one of `subjects` is revoked. `None` when
    /// there is neither.
    pub(crate) fn register(
        self: &Arc<Self>,
        subjects: Vec<Subject>,
        deadline: Option<Deadline>,
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
        inner.open.insert(id, Open { end, deadline, subjects });
        Some(Ending { id, ends: self.clone(), reason })
    }

    /// Ends every subscriber of `subject`, and says how many there were.
    pub(crate) fn end(&self, subject: &Subject, reason: CloseReason) -> usize {
        let mut inner = self.lock();
        inner.revocations += 1;
        let ids = inner.subjects.get(subject).cloned().unwrap_or_default();
        ids.iter().for_each(|id| inner.finish(*id, Some(reason)));
        ids.len()
    }

    /// Counts the revocations. One that comes between the admission of a viewer and the registration of the
    /// subscriber ends nobody: the viewer must be admitted again.
    pub(crate) fn revocations(&self) -> u64 {
        self.lock().revocations
    }

    /// Ends subscribers at their deadlines, until it is dropped.
    pub(crate) async fn run(&self) {
        loop {
            let next = self.lock().due(Instant::now());
            match next {
                // The queue may get an earlier deadline meanwhile.
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
    /// Ends those whose deadline has come, and gives the next deadline.
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

    /// Takes one out, and tells it why when it is to end.
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
            // A subscriber that is being dropped does not need it.
            let _ = open.end.send(reason);
        }
    }
}

impl Ending {
    /// Waits for the end.
    pub(crate) async fn wait(&mut self) -> CloseReason {
        match (&mut self.reason).await {
            Ok(reason) => reason,
            // The reason has been taken already.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.ends.lock().finish(self.id, None);
    }
}
