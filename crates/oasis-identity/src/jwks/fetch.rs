//! [`fetch`]: reads a JWK set from its issuer.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Method, StatusCode};
use oasis_service::client::{self, ClientError};

use super::set::MOST_BYTES;
use super::url::JwksUrl;

/// Why a set cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The issuer redirects. Redirects are not followed, because they could lead to another server or to
    /// plain http.
    #[error("the issuer answers with a redirect to {0}: set JWKS_URL to the last address of the redirects")]
    Redirect(String),
    #[error("the issuer answers with the status {0}")]
    Status(StatusCode),
}

/// Reads the set. The caller limits the time.
pub(super) async fn fetch(url: &JwksUrl) -> Result<Bytes, FetchError> {
    let mut sender = client::connect(&url.server).await?;
    let mut request = url
        .server
        .request(Method::GET, &url.path)
        .body(Full::default())
        .map_err(|error| ClientError::Answer(error.into()))?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = client::exchange_up_to(&mut sender, request, MOST_BYTES).await?;
    match answer.location {
        _ if answer.status == StatusCode::OK => Ok(answer.body),
        Some(location) if answer.status.is_redirection() => Err(FetchError::Redirect(location)),
        Some(_) | None => Err(FetchError::Status(answer.status)),
    }
}
