//! Decides who may read: everyone, or only clients that present a token.

use std::borrow::Cow;

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_identity::{Keys, Rejection};
use oasis_service::{ApiError, Presented, Query, Request, Tokens, bearer};

/// Checks whether a request may read.
#[derive(Debug)]
pub(crate) struct Readers {
    tokens: Tokens,
    /// The keys that verify JSON Web Tokens. A valid JSON Web Token opens everything that `tokens` open.
    keys: Keys,
}

impl Readers {
    /// Clients that present one of `tokens` or a valid JSON Web Token may read. If `tokens` is empty,
    /// everyone may read, even if there are keys.
    pub(crate) fn new(tokens: Tokens, keys: Keys) -> Self {
        Self { tokens, keys }
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
    /// 401 if the token is missing or not accepted.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), ApiError> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        let refused = ApiError::unauthorized("bad_token", Rejection::PUBLIC);
        let token = match presented(request) {
            Presented::Token(token) => token,
            Presented::Malformed => return Err(refused),
            Presented::Nothing => {
                return Err(ApiError::unauthorized("token_missing", "reading needs a token").hint(
                    "send the header Authorization: Bearer …, or token=… in the query (for EventSource)",
                ));
            }
        };
        if self.tokens.accept(&token) {
            return Ok(());
        }
        if self.keys.is_empty() {
            return Err(refused);
        }
        match self.keys.verify(&token, Ts::clamped(Timestamp::now())) {
            Ok(_viewer) => Ok(()),
            Err(rejection) => {
                // The client does not learn the reason.
                tracing::debug!(reason = %rejection, "a token was refused");
                Err(refused)
            }
        }
    }
}

/// The token in the header, or else the token in the query. The header decides even if it is malformed.
fn presented(request: &Request) -> Presented<Cow<'_, str>> {
    match bearer(request.headers()) {
        Presented::Token(token) => Presented::Token(token.into()),
        Presented::Malformed => Presented::Malformed,
        Presented::Nothing => in_query(request),
    }
}

/// The token in the query, even if another part of the query is invalid.
fn in_query(request: &Request) -> Presented<Cow<'_, str>> {
    let mut pairs = request.uri().query().unwrap_or_default().split('&');
    let Some(pair) = pairs.find(|pair| pair.starts_with("token=")) else { return Presented::Nothing };
    let query = Query::parse(Some(pair), &["token"]).ok();
    let token = query.and_then(|query| query.get("token").map(|token| token.to_owned().into()));
    token.map_or(Presented::Malformed, Presented::Token)
}
