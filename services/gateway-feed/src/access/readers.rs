//! Decides who may read: everyone, or only clients that present a token.

use oasis_service::{ApiError, Query, Request, Tokens, bearer};

/// Checks whether a request may read.
#[derive(Debug)]
pub(crate) struct Readers {
    tokens: Tokens,
}

impl Readers {
    /// Clients that present one of the tokens may read. If there are no tokens, everyone may read.
    pub(crate) fn new(tokens: Tokens) -> Self {
        Self { tokens }
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
        match presented {
            Some(token) if self.tokens.accept(&token) => Ok(()),
            Some(_) => Err(ApiError::unauthorized("bad_token", "this token may not read")),
            None => Err(ApiError::unauthorized("token_missing", "reading needs a token")
                .hint("send the header Authorization: Bearer …, or token=… in the query (for EventSource)")),
        }
    }
}

/// The token in the query, even if another part of the query is invalid.
fn in_query(request: &Request) -> Option<String> {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let token = pairs.filter_map(|pair| pair.strip_prefix("token=")).next()?;
    Query::parse(Some(&format!("token={token}")), &["token"]).ok()?.get("token").map(str::to_owned)
}
