//! Who may read: everyone, or only those who present a token.

use oasis_service::{ApiError, Query, Request, Tokens, bearer};

/// Those who may read.
#[derive(Debug)]
pub(crate) struct Readers {
    tokens: Tokens,
}

impl Readers {
    /// Those who present one of the tokens; everyone if there are no tokens.
    pub(crate) fn new(tokens: Tokens) -> Self {
        Self { tokens }
    }

    /// Whether every reader has presented a token. E-mail addresses of people are shown only then.
    pub(crate) fn are_known(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Admits a request if its token may read. The token is in the header or, because an EventSource cannot
    /// set headers, in the query.
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
                .hint("send Authorization: Bearer …, or token=… from an EventSource")),
        }
    }
}

/// The token in the query, even if another part of the query is wrong.
fn in_query(request: &Request) -> Option<String> {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let token = pairs.filter_map(|pair| pair.strip_prefix("token=")).next()?;
    Query::parse(Some(&format!("token={token}")), &["token"]).ok()?.get("token").map(str::to_owned)
}
