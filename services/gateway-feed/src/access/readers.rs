//! Decides who may read public routes: everyone, or only clients that present a token.

use std::borrow::Cow;
use std::sync::Arc;

use oasis_identity::Rejection;
use oasis_service::{ApiError, Disclosure, Presented, Request, Tokens, bearer};

use super::callers::{Caller, Callers, in_query};
use super::not_admitted::NotAdmitted;
use super::viewer::Viewer;

/// Checks whether a request may read.
pub(crate) struct Readers {
    tokens: Tokens,
    /// Identifies users. A user may read wherever one of `tokens` is accepted.
    callers: Arc<Callers>,
}

impl Readers {
    /// Clients that present one of `tokens`, and users, may read. If `tokens` is empty, everyone may read.
    pub(crate) fn new(tokens: Tokens, callers: Arc<Callers>) -> Self {
        Self { tokens, callers }
    }

    /// Whether every reader must present a token. If not, the e-mail addresses in answers are withheld.
    pub(crate) fn are_known(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Admits a request if everyone may read, or if the request presents an accepted token. A token in the
    /// query is used only if the header `Authorization` has none. The query exists for an EventSource, which
    /// cannot set headers.
    ///
    /// # Errors
    /// 401 if the token is missing or not accepted; 503 if the token cannot be checked now.
    pub(crate) async fn admit(&self, request: &Request) -> Result<(), ApiError> {
        match self.identify(request).await? {
            Some(viewer) => Ok(self.callers.check(&viewer).await?),
            None => Ok(()),
        }
    }

    /// Which internal details the client may see. Users may read the public stream, but do not see why the
    /// gateway is not ready.
    pub(crate) fn disclosure(&self, request: &Request) -> Disclosure {
        match presented(request) {
            Presented::Token(token) if self.tokens.accept(&token) => Disclosure::Full,
            _ if self.tokens.is_empty() => Disclosure::MetricsOnly,
            _ => Disclosure::None,
        }
    }

    /// As [`Readers::admit`], but does not check whether the credential of a user has been revoked. Returns
    /// the user, or `None` if everyone may read or the client presented one of the tokens.
    pub(crate) async fn identify(&self, request: &Request) -> Result<Option<Arc<Viewer>>, ApiError> {
        if self.tokens.is_empty() {
            return Ok(None);
        }
        let token = presented(request);
        if matches!(&token, Presented::Token(token) if self.tokens.accept(token)) {
            return Ok(None);
        }
        match self.callers.identify(request).await {
            Ok(Caller::Viewer(viewer)) => Ok(Some(viewer)),
            Err(NotAdmitted::Unavailable(error)) => Err(error),
            Ok(Caller::Service(_)) | Err(NotAdmitted::Refused(_)) => Err(match token {
                Presented::Token(_) | Presented::Malformed => {
                    ApiError::unauthorized("bad_token", Rejection::PUBLIC)
                }
                Presented::Nothing => ApiError::unauthorized("token_missing", "reading needs a token").hint(
                    "send the header Authorization: Bearer …, or token=… in the query (for EventSource)",
                ),
            }),
        }
    }
}

/// The token in the header, or else the token in the query. The header decides even if it is malformed.
fn presented(request: &Request) -> Presented<Cow<'_, str>> {
    match bearer(request.headers()) {
        Presented::Token(token) => Presented::Token(token.into()),
        Presented::Malformed => Presented::Malformed,
        Presented::Nothing => in_query(request.uri()),
    }
}
