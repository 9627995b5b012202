//! Sends deliveries to webhook-ingest as GitHub does, with a signature and an event name. Retries if the
//! service cannot accept a delivery.
//!
//! It is safe to send a delivery twice: webhook-ingest stores a delivery with the same event name and the
//! same bytes only once.

use std::io;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use oasis_service::Secret;
use oasis_service::client::{self as http, Answer, Base, Sender};
use ring::hmac;
use serde::Deserialize;

use crate::backoff::Backoff;
use crate::random;
use crate::refusal::Refusal;

const PATH: &str = "/webhooks/github";
const ATTEMPTS: u32 = 5;

/// The result of a delivery.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The event is stored now.
    Stored,
    /// The event was stored before.
    Duplicate,
    /// The feed does not show events of this type.
    Ignored,
    /// The service refused the delivery.
    Refused(Refusal),
    /// The service could not accept the delivery, or the answer did not come from webhook-ingest.
    Failed(anyhow::Error),
    /// No connection to the service could be made.
    Unreachable(anyhow::Error),
}

/// Sends deliveries one after the other over one connection.
pub(crate) struct Courier {
    base: Base,
    key: hmac::Key,
    connection: Option<Sender>,
    attempts: u32,
}

impl Courier {
    /// Makes a courier that sends to the webhook-ingest at `base`. `base` may include the path of the
    /// webhook.
    pub(crate) fn new(base: Base, secret: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self { base, key, connection: None, attempts: ATTEMPTS }
    }

    /// Sets the maximum number of attempts per delivery.
    pub(crate) fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Delivers `body` as an event named `event`. If the service cannot be reached, gives no valid answer or
    /// answers 503, the delivery is retried.
    pub(crate) async fn deliver(&mut self, event: &str, body: Bytes) -> Outcome {
        let id = random::guid();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        let mut attempt = 1;
        loop {
            let outcome = self.attempt(event, &id, body.clone()).await;
            let retryable = match &outcome {
                Outcome::Refused(refusal) => refusal.status == StatusCode::SERVICE_UNAVAILABLE,
                Outcome::Failed(_) | Outcome::Unreachable(_) => true,
                Outcome::Stored | Outcome::Duplicate | Outcome::Ignored => false,
            };
            match outcome {
                Outcome::Refused(refusal) if retryable && attempt == self.attempts => {
                    return Outcome::Failed(refusal.into());
                }
                outcome if !retryable || attempt == self.attempts => return outcome,
                _ => {}
            }
            attempt += 1;
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn attempt(&mut self, event: &str, id: &str, body: Bytes) -> Outcome {
        let request = match self.request(event, id, body) {
            Ok(request) => request,
            Err(error) => return Outcome::Failed(error),
        };
        let mut sender = match self.connection.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => match http::connect(&self.base).await {
                Ok(sender) => sender,
                Err(error) => return Outcome::Unreachable(error.into()),
            },
        };
        match http::exchange(&mut sender, request).await {
            Ok(answer) => {
                self.connection = Some(sender);
                read(&answer)
            }
            Err(error) => {
                Outcome::Failed(anyhow::Error::new(error).context("the connection broke before the answer"))
            }
        }
    }

    fn request(&self, event: &str, id: &str, body: Bytes) -> anyhow::Result<Request<Full<Bytes>>> {
        let path = if self.base.path().ends_with(PATH) { "" } else { PATH };
        self.base
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "application/json")
            .header("X-GitHub-Event", event)
            .header("X-GitHub-Delivery", id)
            .header("X-Hub-Signature-256", sign(&self.key, &body))
            .body(Full::new(body))
            .with_context(|| format!("{event:?} is not a valid event name"))
    }
}

/// Computes the value of `X-Hub-Signature-256`.
fn sign(key: &hmac::Key, body: &[u8]) -> String {
    let tag = hmac::sign(key, body);
    tag.as_ref().iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[derive(Deserialize)]
struct Accepted {
    ok: bool,
    #[serde(default)]
    duplicate: bool,
}

fn read(answer: &Answer) -> Outcome {
    if !answer.status.is_success() {
        return Outcome::Refused(Refusal::read(answer));
    }
    match serde_json::from_slice::<Accepted>(&answer.body) {
        Ok(Accepted { ok: true, .. }) if answer.status == StatusCode::ACCEPTED => Outcome::Ignored,
        Ok(Accepted { ok: true, duplicate: true }) => Outcome::Duplicate,
        Ok(Accepted { ok: true, .. }) => Outcome::Stored,
        _ => {
            let invalid = io::Error::from(io::ErrorKind::InvalidData);
            Outcome::Failed(anyhow::Error::new(invalid).context(format!(
                "the answer ({}) did not come from webhook-ingest: check the address",
                answer.status
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn courier(base: &str) -> Courier {
        Courier::new(base.parse().unwrap(), &Secret::from("It's a Secret to Everybody".to_owned()))
    }

    #[test]
    fn a_signature_matches_the_example_in_githubs_documentation() {
        let courier = courier("http://h:8081");
        let request = courier.request("push", "id", Bytes::from_static(b"Hello, World!")).unwrap();
        assert_eq!(request.uri(), "/webhooks/github");
        assert_eq!(
            request.headers()["X-Hub-Signature-256"],
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
        assert!(courier.request("a\nb", "id", Bytes::new()).is_err());
    }

    #[test]
    fn an_address_that_includes_the_path_of_the_webhook_is_used_unchanged() {
        let request = courier("http://h/x/webhooks/github/").request("push", "id", Bytes::new()).unwrap();
        assert_eq!(request.uri(), "/x/webhooks/github");
    }

    #[test]
    fn each_kind_of_answer_gives_the_right_outcome() {
        let of = |status: u16, body: &'static str| {
            let status = StatusCode::from_u16(status).unwrap();
            read(&Answer { status, location: None, date: None, body: body.into() })
        };
        assert!(matches!(of(200, r#"{"ok":true,"id":1,"vtid":"UNSET","title":"t"}"#), Outcome::Stored));
        assert!(matches!(of(200, r#"{"ok":true,"duplicate":true}"#), Outcome::Duplicate));
        assert!(matches!(of(202, r#"{"ok":true,"ignored":"star"}"#), Outcome::Ignored));
        assert!(matches!(of(401, "{}"), Outcome::Refused(_)));
        assert!(matches!(of(302, ""), Outcome::Refused(_)));
        assert!(matches!(of(200, "<html>"), Outcome::Failed(_)));
    }
}
