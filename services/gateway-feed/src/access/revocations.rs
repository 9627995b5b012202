//! [`Revocations`]: which credentials have been revoked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oasis_core::Ts;
use oasis_identity::Rejection;
use oasis_service::ApiError;
use oasis_store::{Revocation, Store};
use tokio::sync::watch;
use tokio::time::timeout;

use super::not_admitted::NotAdmitted;
use super::subject::Subject;
use super::viewer::Viewer;

/// How long a request waits after the start of the gateway until the revocations have been read.
const START_WITHIN: Duration = Duration::from_secs(2);

/// The credentials that have been revoked, as far as the tail has read the table.
#[derive(Debug, Default)]
pub(crate) struct Revocations(watch::Sender<Revoked>);

#[derive(Debug, Default)]
struct Revoked {
    /// Every revocation up to this id is known. `None` until the revocations have been read for the first
    /// time.
    through: Option<i64>,
    /// For each subject, the time up to which credentials of this subject were revoked. `None` if all of
    /// them were revoked.
    subjects: HashMap<Subject, Option<Ts>>,
}

impl Revocations {
    /// Replaces all revocations by those up to the id `head`. From now on, viewers can be checked.
    pub(crate) fn replace(&self, revocations: &[Revocation], head: i64) {
        let mut revoked = Revoked { through: Some(head), ..Revoked::default() };
        revocations.iter().for_each(|revocation| revoked.add(revocation));
        self.0.send_replace(revoked);
    }

    /// Adds a revocation.
    pub(crate) fn add(&self, revocation: &Revocation) {
        self.0.send_modify(|revoked| revoked.add(revocation));
    }

    /// Notes that every revocation up to `id` has been added.
    pub(crate) fn reached(&self, id: i64) {
        self.0.send_if_modified(|revoked| {
            revoked.through = revoked.through.map(|through| through.max(id));
            // Nobody waits for this change.
            false
        });
    }

    /// Waits until the revocations have been read, but not for long.
    pub(crate) async fn started(&self) {
        let mut revoked = self.0.subscribe();
        // The channel stays open, because `self` has the sender.
        let _ = timeout(START_WITHIN, revoked.wait_for(|revoked| revoked.through.is_some())).await;
    }

    /// Checks that the credential of `viewer` has not been revoked.
    ///
    /// # Errors
    /// 401 if the credential has been revoked; 503 until the revocations have been read.
    pub(crate) fn check(&self, viewer: &Viewer) -> Result<(), NotAdmitted> {
        let revoked = self.0.borrow();
        if revoked.through.is_none() {
            let why = "the revoked tokens have not been read yet";
            let error = ApiError::unavailable("starting", "the token cannot be checked yet", why);
            return Err(NotAdmitted::Unavailable(error));
        }
        let is_revoked = |subject| match revoked.subjects.get(&subject) {
            None => false,
            Some(before) => covers(*before, viewer),
        };
        if viewer.subjects().into_iter().any(is_revoked) {
            return Err(refused().into());
        }
        Ok(())
    }

    /// As [`Revocations::check`], but also considers every revocation up to the row `id`. If the tail has not
    /// read this row yet, the later revocations are read from the table.
    ///
    /// # Errors
    /// As [`Revocations::check`]; also 503 if the table cannot be read.
    pub(crate) async fn check_up_to(&self, id: i64, viewer: &Viewer, store: &Store) -> Result<(), ApiError> {
        let through = self.0.borrow().through.unwrap_or_default();
        self.check(viewer)?;
        if id <= through {
            return Ok(());
        }
        let later = store.revocations(through).await.map_err(unavailable)?;
        if later.head < id {
            return Err(unavailable("the database server that answered is behind"));
        }
        let covered = |(subject, before)| viewer.subjects().contains(&subject) && covers(before, viewer);
        if later.revocations.iter().map(parts).any(covered) { Err(refused()) } else { Ok(()) }
    }
}

fn refused() -> ApiError {
    tracing::debug!("a token was refused, because it has been revoked");
    ApiError::unauthorized("bad_token", Rejection::PUBLIC)
}

fn unavailable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ApiError {
    ApiError::unavailable("database_unavailable", "the token cannot be checked now", why)
}

impl Revoked {
    fn add(&mut self, revocation: &Revocation) {
        let (subject, before) = parts(revocation);
        // An `Option` sorts `None` before every time, but here `None` covers more than any time.
        let latest = |old: Option<Ts>| if old.is_none() || before.is_none() { None } else { old.max(before) };
        let old = self.subjects.get(&subject).copied();
        self.subjects.insert(subject, old.map_or(before, latest));
    }
}

/// The subject of a revocation, and the time up to which credentials of this subject are revoked. `None` if
/// all of them are revoked.
pub(crate) fn parts(revocation: &Revocation) -> (Subject, Option<Ts>) {
    match revocation {
        Revocation::Key { id } => (Subject::Key(Arc::from(id.as_str())), None),
        Revocation::Token { jti, .. } => (Subject::Token(Arc::from(jti.as_str())), None),
        Revocation::User { sub, before, .. } => (Subject::User(Arc::from(sub.as_str())), Some(*before)),
    }
}

/// Whether a revocation up to `before` covers the credential of `viewer`. A token that does not say when it
/// was issued is covered.
pub(crate) fn covers(before: Option<Ts>, viewer: &Viewer) -> bool {
    before.is_none_or(|before| viewer.issued.is_none_or(|issued| issued <= before))
}

#[cfg(test)]
mod tests {
    use super::super::viewer::Credential;
    use super::*;

    fn ts(second: u8) -> Ts {
        format!("2026-01-02T03:04:{second:02}Z").parse().unwrap()
    }

    fn viewer(user: &str, credential: Credential, issued: Option<u8>) -> Viewer {
        let limits = crate::access::Limits::default();
        Viewer {
            user: user.into(),
            credential,
            issued: issued.map(ts),
            expires: None,
            limits,
            is_admin: false,
        }
    }

    #[test]
    fn no_viewer_is_accepted_before_the_revocations_have_been_read() {
        let revocations = Revocations::default();
        let ann = viewer("ann", Credential::Token(None), None);
        assert!(matches!(revocations.check(&ann), Err(NotAdmitted::Unavailable(_))));
        revocations.replace(&[], 0);
        assert!(revocations.check(&ann).is_ok());
    }

    #[test]
    fn a_revocation_covers_its_key_its_token_or_the_earlier_tokens_of_its_user() {
        let revocations = Revocations::default();
        revocations.replace(
            &[
                Revocation::Key { id: "k1".into() },
                Revocation::User { sub: "ann".into(), before: ts(10), until: None },
            ],
            0,
        );
        revocations.add(&Revocation::Token { jti: "t1".into(), until: None });
        revocations.add(&Revocation::User { sub: "ann".into(), before: ts(5), until: None });
        let key = |id: &str| Credential::Key(id.into());
        let token = |id: &str| Credential::Token(Some(id.into()));
        for (viewer, is_revoked) in [
            (viewer("bob", key("k1"), None), true),
            (viewer("bob", key("k2"), None), false),
            (viewer("bob", token("t1"), Some(59)), true),
            (viewer("bob", token("k1"), Some(59)), false),
            (viewer("ann", token("t2"), Some(10)), true),
            (viewer("ann", token("t2"), Some(11)), false),
            (viewer("ann", Credential::Token(None), None), true),
            (viewer("ann", key("k3"), Some(9)), true),
            (viewer("ann", key("k3"), Some(12)), false),
        ] {
            let refused = matches!(revocations.check(&viewer), Err(NotAdmitted::Refused(_)));
            assert_eq!(refused, is_revoked, "{viewer:?}");
        }
    }
}
