//! Decides who may read: everyone, or only clients that present a token.

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_identity::{Keys, Rejection};
use oasis_service::{ApiError, Query, Request, Tokens, bearer, has_bearer};

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

/// What a request presents.
enum Presented {
    Token(String),
    /// There is a token, but it cannot be read.
    Malformed,
    Nothing,
}

/// The token in the header, or else the token in the query. The header decides even if it is malformed.
fn presented(request: &Request) -> Presented {
    if has_bearer(request.headers()) {
        return bearer(request.headers())
            .map_or(Presented::Malformed, |token| Presented::Token(token.into()));
    }
    // Another part of the query may be invalid.
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let Some(token) = pairs.filter_map(|pair| pair.strip_prefix("token=")).next() else {
        return Presented::Nothing;
    };
    let parsed = Query::parse(Some(&format!("token={token}")), &["token"]).ok();
    let token = parsed.and_then(|query| query.get("token").map(str::to_owned));
    token.map_or(Presented::Malformed, Presented::Token)
}
