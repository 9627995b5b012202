//! Decides who may read: everyone, or only clients that present a token.

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_identity::{Keys, Rejection};
use oasis_service::{ApiError, Query, Request, Tokens, bearer};

/// Checks whether a request may read.
#[derive(Debug)]
pub(crate) struct Readers {
    tokens: Tokens,
    /// The keys of viewers' JSON Web Tokens. A valid one opens everything that `tokens` opens.
    keys: Keys,
}

impl Readers {
    /// Clients that present one of the tokens or a valid JSON Web Token may read. If there are no tokens,
    /// everyone may read, whatever the keys are.
    pub(crate) fn new(tokens: Tokens, keys: Keys) -> Self {
        Self { tokens, keys }
    }

    /// Whether every reader must present a token. If not, the e-mail addresses in answers are withheld.
    pub(crate) fn are_known(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Admits a request if everyone may read, or if the request presents an accepted token. The token is in
    /// the header `Authorization`. Alternatively, the token is in the query, because an EventSource cannot
    /// set headers.
    ///
    /// # Errors
    /// 401 if the token is missing or not accepted.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), ApiError> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        let presented = bearer(request.headers()).map(str::to_owned).or_else(|| in_query(request));
        let Some(token) = presented else {
            return Err(ApiError::unauthorized("token_missing", "reading needs a token")
                .hint("send the header Authorization: Bearer …, or token=… in the query (for EventSource)"));
        };
        if self.tokens.accept(&token) {
            return Ok(());
        }
        let refused = ApiError::unauthorized("bad_token", Rejection::PUBLIC);
        if self.keys.is_empty() {
            return Err(refused);
        }
        match self.keys.verify(&token, Ts::clamped(Timestamp::now())) {
            Ok(_viewer) => Ok(()),
            Err(rejection) => {
                // The caller does not learn the reason.
                tracing::debug!(reason = %rejection, "a token was refused");
                Err(refused)
            }
        }
    }
}

/// The token in the query, even if another part of the query is invalid.
fn in_query(request: &Request) -> Option<String> {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let token = pairs.filter_map(|pair| pair.strip_prefix("token=")).next()?;
    Query::parse(Some(&format!("token={token}")), &["token"]).ok()?.get("token").map(str::to_owned)
}
