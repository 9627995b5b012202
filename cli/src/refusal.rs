//! Reads the error answer of a service, `{"error":{"code","message","hint"}}`, or of a proxy in front of the
//! service.

use std::fmt;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::LOCATION;
use hyper::{Response, StatusCode};
use oasis_service::client::Answer;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

/// The maximum number of bytes of an answer that are read. The errors of our services are much shorter.
const MAX_BYTES: usize = 64 * 1024;

/// An error answer that can be shown to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The answer's status.
    pub(crate) status: StatusCode,
    /// The error code, if the answer has the form that our services use.
    pub(crate) code: Option<String>,
    message: String,
    hint: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    error: Inner,
}

#[derive(Deserialize)]
struct Inner {
    code: String,
    message: String,
    hint: Option<String>,
}

impl Refusal {
    /// Receives an error answer. The status is the most important part, so the body is read only for the time
    /// `within` and up to [`MAX_BYTES`].
    pub(crate) async fn receive(response: Response<Incoming>, within: Duration) -> Self {
        let end = Instant::now() + within;
        let (head, mut body) = response.into_parts();
        let mut start = Vec::new();
        while start.len() < MAX_BYTES
            && let Ok(Some(Ok(frame))) = timeout_at(end, body.frame()).await
        {
            start.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
        }
        let location = head.headers.get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self::read(&Answer { status: head.status, location, date: None, body: start.into() })
    }

    /// Reads an answer.
    pub(crate) fn read(answer: &Answer) -> Self {
        let status = answer.status;
        if let Ok(Body { error }) = serde_json::from_slice(&answer.body) {
            let hint = error.hint.filter(|hint| !hint.is_empty());
            return Self { status, code: Some(error.code), message: error.message, hint };
        }
        let body = String::from_utf8_lossy(&answer.body);
        let start: String = body.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
        let message = if start.is_empty() {
            "the server gave no reason".to_owned()
        } else {
            format!("the server answered: {start}")
        };
        let hint =
            answer.location.as_ref().map(|to| format!("the server redirects to {to}: pass the right --url"));
        Self { status, code: None, message, hint }
    }

    /// The status and the code, such as `401 bad_signature`.
    pub(crate) fn kind(&self) -> String {
        match &self.code {
            Some(code) => format!("{} {code}", self.status.as_u16()),
            None => self.status.to_string(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.kind())?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, location: Option<&str>, body: &str) -> Refusal {
        Refusal::read(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            location: location.map(str::to_owned),
            date: None,
            body: body.to_owned().into(),
        })
    }

    #[test]
    fn error_answers_of_services_and_of_other_servers_are_shown() {
        let ours =
            r#"{"error":{"code":"unauthorized","message":"A token is needed.","hint":"Pass --token."}}"#;
        assert_eq!(
            refusal(401, None, ours).to_string(),
            "A token is needed. (401 unauthorized)\n  hint: Pass --token."
        );
        let bare = r#"{"error":{"code":"c","message":"m"}}"#;
        assert_eq!(refusal(400, None, bare).to_string(), "m (400 c)");
        assert_eq!(
            refusal(502, None, "<html>\n  Bad  gateway").to_string(),
            "the server answered: <html> Bad gateway (502 Bad Gateway)"
        );
        assert_eq!(
            refusal(301, Some("https://h/"), "").to_string(),
            "the server gave no reason (301 Moved Permanently)\n  \
             hint: the server redirects to https://h/: pass the right --url"
        );
    }
}
