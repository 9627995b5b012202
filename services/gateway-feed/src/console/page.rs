//! `GET /`, `GET /vtid/{VTID}`, `GET /agents`: one document, which reads from its address what it shows.

use hyper::header::{ACCEPT, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, VARY};
use hyper::{HeaderMap, StatusCode};
use oasis_core::Vtid;
use oasis_service::{ApiError, Response};

use super::bundle::BUNDLE;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the path of a page stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// The start, the agents, or a task.
    Known,
    /// The page of a task, under a name that no task can have.
    NoSuchTask,
}

impl Page {
    /// `None` for a path that is not a page's.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        if matches!(path, "/" | "/agents") {
            return Some(Self::Known);
        }
        let task = path.strip_prefix("/vtid/").filter(|task| !task.is_empty() && !task.contains('/'))?;
        Some(if Vtid::parse(task).is_ok() { Self::Known } else { Self::NoSuchTask })
    }

    /// The page, if the reader is `admitted`. A browser that goes where it may not, or where there can be no
    /// task, gets it as well, with the error's status: it holds nothing secret, says what is wrong and asks
    /// for the token.
    ///
    /// # Errors
    /// The same, for a program that asks.
    pub(crate) fn answer(
        self,
        admitted: Result<(), ApiError>,
        headers: &HeaderMap,
    ) -> Result<Response, ApiError> {
        let status = match admitted.and_then(|()| self.there()) {
            Ok(()) => StatusCode::OK,
            Err(error) if wants_page(headers) => error.status(),
            Err(error) => return Err(error),
        };
        let mut answer = BUNDLE.document.answer(status, "text/html; charset=utf-8", "no-cache", headers);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        // Its address may hold a token.
        headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
        headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding, Authorization"));
        Ok(answer)
    }

    fn there(self) -> Result<(), ApiError> {
        match self {
            Self::Known => Ok(()),
            Self::NoSuchTask => Err(ApiError::not_found().hint("a task is named like DEV-CICDL-0031")),
        }
    }
}

/// Whether it is a browser that goes somewhere, rather than a program that asks.
fn wants_page(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"))
}
