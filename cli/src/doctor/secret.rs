//! Checks the webhook secret: whether it is set, and whether webhook-ingest accepts a delivery that is signed
//! with it.

use bytes::Bytes;
use oasis_service::client::Base;

use super::report::{Check, Finding};
use super::setup::{Setting, Setup};
use crate::delivery::{Courier, Outcome};

/// The event name of the delivery. webhook-ingest verifies the signature, and then ignores the event, because
/// the feed does not show events with this name. So nothing is stored.
const EVENT: &str = "oasis_doctor";
const VARIABLE: &str = "GITHUB_WEBHOOK_SECRET";

/// Checks the secret. `receiver` is the address of webhook-ingest, if it answers.
pub(super) async fn check(setup: &Setup, receiver: Option<&Base>) -> Finding {
    let check = Check::WebhookSecret;
    let (value, by) = match &setup.webhook_secret {
        Setting::Given { value, by } => (value, by),
        Setting::Unreadable(why) => {
            let hint = format!("correct the file or its permissions, or set {VARIABLE}");
            return Finding::problem(check, why, hint);
        }
        Setting::Missing => {
            let message = format!("not checked: {VARIABLE} is not set, and no `oasis up` ran in this folder");
            return Finding::warning(
                check,
                message,
                format!("set {VARIABLE} to the secret of webhook-ingest"),
            );
        }
    };
    if value.expose().is_empty() {
        let hint = "set a secret; if the file of `oasis up` is empty, delete the file to get a new secret";
        return Finding::problem(check, format!("the secret from {by} is empty"), hint);
    }
    let Some(receiver) = receiver else {
        return Finding::ok(check, format!("set by {by}; not tried, because webhook-ingest does not answer"));
    };
    let mut courier = Courier::new(receiver.clone(), value).attempts(1);
    match courier.deliver(EVENT, Bytes::from_static(b"{}")).await {
        Outcome::Stored | Outcome::Duplicate | Outcome::Ignored => {
            Finding::ok(check, format!("webhook-ingest accepts a delivery that is signed with {by}"))
        }
        Outcome::Refused(refusal) if refusal.code.as_deref() == Some("bad_signature") => Finding::problem(
            check,
            format!("webhook-ingest refuses a delivery that is signed with {by}: it has another secret"),
            format!("set the same secret here, in {VARIABLE} of webhook-ingest, and at GitHub"),
        ),
        Outcome::Refused(refusal) => failed(refusal.to_string()),
        Outcome::Failed(error) | Outcome::Unreachable(error) => failed(format!("{error:#}")),
    }
}

fn failed(why: String) -> Finding {
    let hint = "read the log of webhook-ingest";
    Finding::problem(Check::WebhookSecret, format!("a signed delivery failed: {why}"), hint)
}
