//! [`Callers`]: finds out who sent a request to a private route.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::Uri;
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_identity::{ApiKeyHash, Keys, Rejection, Session, Sessions, api_key_hash};
use oasis_service::{ApiError, Presented, Query, Request, bearer};
use oasis_store::{ApiKey, Store};

use super::limits::Limits;
use super::not_admitted::NotAdmitted;
use super::origins::Origins;
use super::revocations::Revocations;
use super::sender_tokens::{PrivateStream, SenderTokens};
use super::senders::{Lane, Sender};
use super::viewer::{BadClaim, Credential, Viewer};
use crate::batch::Batch;

/// The sender of a request to a private route.
#[derive(Debug, Clone)]
pub(crate) enum Caller<'a> {
    /// A program that has one of INGEST_TOKENS. It may write, but not read.
    Service(Sender<'a>),
    /// A user.
    Viewer(Arc<Viewer>),
}

/// Finds out who sent a request to a private route.
pub(crate) struct Callers {
    services: SenderTokens,
    keys: Keys,
    sessions: Sessions,
    api_keys: Batch<ApiKeyHash, Option<ApiKey>>,
    revocations: Arc<Revocations>,
    origins: Origins,
}

/// A credential in a request.
enum Credentials<'s, 'r> {
    Service(Sender<'s>),
    ApiKey(ApiKeyHash),
    Token(Cow<'r, str>),
    Session(Session),
}

/// The cookie of this gateway, which holds a JSON Web Token.
const SESSION: &str = "oasis_session";

impl Callers {
    pub(crate) fn new(
        services: SenderTokens,
        (keys, sessions): (Keys, Sessions),
        store: Store,
        revocations: Arc<Revocations>,
        origins: Origins,
    ) -> Self {
        let api_keys = Batch::new(move |hashes: Vec<ApiKeyHash>| {
            let store = store.clone();
            async move {
                let found = store.api_keys(&hashes).await?;
                let of = |hash: &ApiKeyHash| found.iter().find(|key| key.hash == *hash).cloned();
                Ok(hashes.iter().map(of).collect())
            }
        });
        Self { services, keys, sessions, api_keys, revocations, origins }
    }

    /// The sender of a request. The credential has been verified, but it may have been revoked.
    ///
    /// # Errors
    /// 401 if the credential is missing or invalid; 403 if the gateway has no keys for JSON Web Tokens and
    /// the request has no other credential; 503 if an API key cannot be looked up.
    pub(crate) async fn identify(&self, request: &Request) -> Result<Caller<'_>, NotAdmitted> {
        let now = Ts::clamped(Timestamp::now());
        match self.credentials(request)? {
            Credentials::Service(sender) => Ok(Caller::Service(sender)),
            Credentials::ApiKey(hash) => Ok(Caller::Viewer(Arc::new(self.of_api_key(hash, now).await?))),
            Credentials::Token(token) => Ok(accepted(self.keys.identify(&token, now).await)?),
            Credentials::Session(session) => match self.sessions.identify(&session, now) {
                Err(Rejection::NotASession) => Err(bad_token()
                    .hint("the cookie holds no encrypted session: set strategy: \"jwt\" in Auth.js")
                    .into()),
                outcome => Ok(accepted(outcome)?),
            },
        }
    }

    /// The sender of a request, whose credential has not been revoked.
    ///
    /// # Errors
    /// As [`Callers::identify`]; also 401 if the credential has been revoked, and 503 until the gateway has
    /// read which credentials have been revoked.
    pub(crate) async fn admit(&self, request: &Request) -> Result<Caller<'_>, NotAdmitted> {
        let caller = self.identify(request).await?;
        if let Caller::Viewer(viewer) = &caller {
            self.check(viewer).await?;
        }
        Ok(caller)
    }

    /// Checks that the credential of `viewer` has not been revoked.
    ///
    /// # Errors
    /// See [`Revocations::check`].
    pub(crate) async fn check(&self, viewer: &Viewer) -> Result<(), NotAdmitted> {
        self.revocations.started().await;
        self.revocations.check(viewer)
    }

    /// The first credential that the request has, even if the credential is invalid.
    fn credentials<'r>(&self, request: &'r Request) -> Result<Credentials<'_, 'r>, ApiError> {
        let headers = request.headers();
        match bearer(headers) {
            Presented::Malformed => return Err(bad_token()),
            Presented::Token(token) => match (self.services.grant(token), api_key_hash(token)) {
                (Some(grant), _) => return Ok(Credentials::Service(Sender::new(grant))),
                (None, Some(hash)) => return Ok(Credentials::ApiKey(hash)),
                (None, None) if !self.keys.is_empty() => return Ok(Credentials::Token(token.into())),
                (None, None) if !self.services.is_empty() => {
                    return Err(bad_token().hint("this gateway accepts INGEST_TOKENS and API keys only"));
                }
                (None, None) => {}
            },
            Presented::Nothing => {}
        }
        if let Some(key) = headers.get("x-api-key") {
            let mut keys = headers.get_all("x-api-key").iter();
            let is_only = keys.next().is_some() && keys.next().is_none();
            let hash = key.to_str().ok().filter(|_| is_only).and_then(api_key_hash);
            return Ok(Credentials::ApiKey(hash.ok_or_else(bad_token)?));
        }
        if self.keys.is_empty() && self.sessions.is_empty() {
            return Err(ApiError::forbidden("auth_not_configured", "this gateway knows no users yet").hint(
                "set JWT_SECRET, JWT_PUBLIC_KEYS, JWKS_URL or AUTHJS_SECRET, or send an API key (see `oasis \
                 keys create`)",
            ));
        }
        match in_query(request.uri()) {
            Presented::Malformed => return Err(bad_token()),
            // URLs are logged in many places, and an API key is valid for a long time.
            Presented::Token(token) if api_key_hash(&token).is_some() => {
                return Err(bad_token().hint("send an API key in the header x-api-key, never in the address"));
            }
            Presented::Token(token) if !self.keys.is_empty() => return Ok(Credentials::Token(token)),
            Presented::Token(_) | Presented::Nothing => {}
        }
        let cookies = self.origins.cookies(request);
        let own = cookies.iter().find(|(name, _)| *name == SESSION && !self.keys.is_empty());
        match (own, self.sessions.find(&cookies)) {
            (Some((_, token)), _) => Ok(Credentials::Token((*token).into())),
            (None, Some(session)) => Ok(Credentials::Session(session)),
            (None, None) => Err(ApiError::unauthorized("token_missing", "this request needs a token").hint(
                "send the header Authorization: Bearer … with a JSON Web Token or an API key, or token=… in \
                 the query (for EventSource)",
            )),
        }
    }

    async fn of_api_key(&self, hash: ApiKeyHash, now: Ts) -> Result<Viewer, NotAdmitted> {
        let found = self.api_keys.get(hash).await.map_err(|error| {
            let message = "the API key cannot be checked now";
            NotAdmitted::Unavailable(ApiError::unavailable("database_unavailable", message, error))
        })?;
        let valid = found
            .filter(|key| key.revoked_at.is_none() && key.expires_at.is_none_or(|expires| now < expires));
        let Some(key) = valid else {
            tracing::debug!("an API key was refused: it is unknown, has expired or has been revoked");
            return Err(bad_token().into());
        };
        Ok(Viewer {
            user: key.user_id.into(),
            credential: Credential::Key(key.id.into()),
            issued: Some(key.created_at),
            expires: key.expires_at,
            limits: Limits::default(),
            is_admin: false,
        })
    }
}

impl<'a> Caller<'a> {
    /// Checks that the caller is a service that may write to `stream`.
    ///
    /// # Errors
    /// 403 for any other caller.
    pub(crate) fn check_service(&self, stream: PrivateStream) -> Result<(), ApiError> {
        match self {
            Self::Service(sender) if sender.writes(stream) => Ok(()),
            Self::Service(_) => Err(Sender::may_not_write(stream)),
            Self::Viewer(_) => {
                let message = format!("users do not write {}", Sender::what(stream));
                Err(ApiError::forbidden("not_a_service", message).hint("send one of INGEST_TOKENS"))
            }
        }
    }

    /// Whose appends the request adds to the queue.
    pub(crate) fn lane(&self) -> Lane<'_> {
        match self {
            Self::Service(sender) => sender.lane(),
            Self::Viewer(viewer) => Lane::User(&viewer.user),
        }
    }

    /// The user who sent the request.
    ///
    /// # Errors
    /// 403 if the caller is a service.
    pub(crate) fn viewer(self) -> Result<Arc<Viewer>, ApiError> {
        match self {
            Self::Viewer(viewer) => Ok(viewer),
            Self::Service(_) => {
                Err(ApiError::forbidden("not_a_user", "one of INGEST_TOKENS writes, but does not read")
                    .hint("send a JSON Web Token (see `oasis token mint`) or an API key"))
            }
        }
    }
}

/// The user to whom a token or a session belongs.
fn accepted<'a>(outcome: Result<oasis_identity::Viewer, Rejection>) -> Result<Caller<'a>, ApiError> {
    let viewer = outcome.map_err(|rejection| {
        // The client does not learn the reason.
        tracing::debug!(reason = %rejection, "a token was refused");
        bad_token()
    })?;
    match Viewer::try_from(viewer) {
        Ok(viewer) => Ok(Caller::Viewer(Arc::new(viewer))),
        Err(BadClaim) => {
            tracing::debug!("a token was refused: its claim oasis.resources is malformed");
            Err(bad_token())
        }
    }
}

/// 401: the same answer for every refused token.
fn bad_token() -> ApiError {
    ApiError::unauthorized("bad_token", Rejection::PUBLIC)
}

/// The token in the query, even if another part of the query is invalid.
pub(super) fn in_query(uri: &Uri) -> Presented<Cow<'_, str>> {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    let Some(pair) = pairs.find(|pair| pair.starts_with("token=")) else { return Presented::Nothing };
    let query = Query::parse(Some(pair), &["token"]).ok();
    let token = query.and_then(|query| query.get("token").map(|token| token.to_owned().into()));
    token.map_or(Presented::Malformed, Presented::Token)
}
