//! [`Viewer`]: a user who has presented a valid credential.

use std::sync::Arc;

use oasis_core::Ts;
use oasis_identity::LEEWAY;
use tokio::time::Instant;

use super::limits::Limits;
use super::subject::Subject;

/// A user who has presented a valid credential.
#[derive(Debug)]
pub(crate) struct Viewer {
    /// The user's id.
    pub(crate) user: Arc<str>,
    pub(crate) credential: Credential,
    /// When the credential was issued. `None` if the credential does not say so.
    pub(crate) issued: Option<Ts>,
    /// When the credential expires. `None` if it never expires.
    pub(crate) expires: Option<Ts>,
    /// Which resource events the user may read.
    pub(crate) limits: Limits,
    /// Whether the user is an administrator, who may read the audit log.
    pub(crate) is_admin: bool,
}

/// The kind and the id of a credential.
#[derive(Debug)]
pub(crate) enum Credential {
    /// A JSON Web Token, with its `jti`.
    Token(Option<Arc<str>>),
    /// An API key, with its id.
    Key(Arc<str>),
}

/// A token whose claim `oasis.resources` is malformed.
#[derive(Debug)]
pub(crate) struct BadClaim;

impl TryFrom<oasis_identity::Viewer> for Viewer {
    type Error = BadClaim;

    fn try_from(viewer: oasis_identity::Viewer) -> Result<Self, BadClaim> {
        let limits = viewer.resources.as_deref().map_or(Some(Limits::default()), Limits::parse);
        Ok(Self {
            user: viewer.sub.into(),
            credential: Credential::Token(viewer.jti.map(Into::into)),
            issued: viewer.iat,
            expires: Some(viewer.exp),
            limits: limits.ok_or(BadClaim)?,
            is_admin: viewer.is_admin,
        })
    }
}

impl Viewer {
    /// The subjects whose revocation can end the streams of this viewer.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let credential = match &self.credential {
            Credential::Token(id) => id.clone().map(Subject::Token),
            Credential::Key(id) => Some(Subject::Key(id.clone())),
        };
        [Subject::User(self.user.clone())].into_iter().chain(credential).collect()
    }

    /// When the credential stops being accepted, on the clock of the process. `now` is the current time.
    /// `None` if the credential never expires.
    pub(crate) fn deadline(&self, now: Ts) -> Option<Instant> {
        let end = self.expires?.instant();
        let left = match self.credential {
            Credential::Token(_) => end.duration_since(now.instant()) + LEEWAY,
            Credential::Key(_) => end.duration_since(now.instant()),
        };
        // A time that is too far in the future for the clock is no deadline.
        Instant::now().checked_add(left.try_into().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_ends_after_its_leeway_and_a_key_at_its_time() {
        let now: Ts = "2026-01-02T03:04:05Z".parse().unwrap();
        let viewer = |credential, expires: Option<&str>| Viewer {
            user: "ann".into(),
            credential,
            issued: None,
            expires: expires.map(|expires| expires.parse().unwrap()),
            limits: Limits::default(),
            is_admin: false,
        };
        let left = |viewer: Viewer| viewer.deadline(now).map(|deadline| deadline - Instant::now());
        let (token, key) = (|| Credential::Token(None), || Credential::Key("k".into()));
        let soon = Some("2026-01-02T03:04:15Z");
        assert_eq!(left(viewer(token(), soon)), Some(Duration::from_secs(40)));
        assert_eq!(left(viewer(key(), soon)), Some(Duration::from_secs(10)));
        assert_eq!(left(viewer(key(), None)), None);
        assert_eq!(left(viewer(key(), Some("2026-01-01T00:00:00Z"))), Some(Duration::ZERO));
    }
}
