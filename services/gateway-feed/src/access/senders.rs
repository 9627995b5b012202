//! Decides who may send events: no one, only clients that present a token, or everyone.

use hyper::HeaderMap;
use oasis_service::{ApiError, Tokens, bearer};

/// Checks whether a request may send events.
#[derive(Debug)]
pub(crate) struct Senders {
    tokens: Tokens,
    anonymous: bool,
}

impl Senders {
    /// If `anonymous`, everyone may send. Otherwise, only clients that present one of the tokens may send.
    pub(crate) fn new(tokens: Tokens, anonymous: bool) -> Self {
        Self { tokens, anonymous }
    }

    /// Whether any client may send events.
    pub(crate) fn exist(&self) -> bool {
        self.anonymous || !self.tokens.is_empty()
    }

    /// Admits a request if everyone may send, or if the header `Authorization` has an accepted token.
    ///
    /// # Errors
    /// 403 if no one may send; 401 if the token is missing or not accepted.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.anonymous {
            return Ok(());
        }
        if self.tokens.is_empty() {
            return Err(ApiError::forbidden("ingest_disabled", "this gateway accepts no events")
                .hint("set INGEST_TOKENS to the accepted tokens, or set INGEST_ANONYMOUS=true"));
        }
        match bearer(headers) {
            Some(token) if self.tokens.accept(token) => Ok(()),
            Some(_) => Err(ApiError::unauthorized("bad_token", "this token may not send events")),
            None => Err(ApiError::unauthorized("token_missing", "sending events needs a token")
                .hint("send the header Authorization: Bearer … with one of INGEST_TOKENS")),
        }
    }
}
