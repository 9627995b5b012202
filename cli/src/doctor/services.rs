//! Checks a service: whether it answers, and whether it is ready.

use hyper::{Method, StatusCode};
use jiff::SignedDuration;
use oasis_service::client::Base;
use serde_json::Value;

use super::http::{self, Reply};
use super::report::{Check, Finding};
use super::setup::Address;

/// A service, and its answer to `/ready`.
pub(super) struct Service<'a> {
    check: Check,
    address: &'a Address,
    /// `None` if the address is not known.
    reply: Option<Result<Reply, String>>,
}

impl<'a> Service<'a> {
    /// Asks the service whether it is ready.
    pub(super) async fn ask(check: Check, address: &'a Address) -> Self {
        let reply = match address {
            Address::Required(base) | Address::Optional(base) => {
                Some(http::ask(base, Method::GET, "/ready", None).await)
            }
            Address::Unknown => None,
        };
        Self { check, address, reply }
    }

    /// The address of the service, if the service itself answers there.
    pub(super) fn answers(&self) -> Option<&'a Base> {
        match (self.address, &self.reply) {
            (Address::Required(base) | Address::Optional(base), Some(Ok(reply))) => {
                (reply.json["service"] == self.check.name()).then_some(base)
            }
            _ => None,
        }
    }

    /// How far the clock of the service is ahead of the clock of this machine.
    pub(super) fn clock_ahead(&self) -> Option<SignedDuration> {
        self.reply.as_ref()?.as_ref().ok()?.clock_ahead
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let Self { check, .. } = *self;
        let name = check.name();
        match (self.address, &self.reply) {
            (Address::Unknown, _) | (_, None) => vec![Finding::warning(
                check,
                "not checked, because its address is not known",
                format!("pass {}", flag(check)),
            )],
            (Address::Optional(_), Some(Err(_))) => {
                vec![Finding::ok(check, "not running; only deploys to Cloud Run need it")]
            }
            (Address::Required(_), Some(Err(why))) => vec![Finding::problem(check, why, start(check))],
            (Address::Required(base) | Address::Optional(base), Some(Ok(reply))) => {
                if reply.json["service"] != name {
                    let message = format!("{base}/ready answers {}, but not as {name}", reply.status);
                    let hint = format!("pass the address of {name} as {}", flag(check));
                    return vec![Finding::problem(check, message, hint)];
                }
                ready(check, base, reply)
            }
        }
    }
}

/// Judges the answer of the right service.
fn ready(check: Check, base: &Base, reply: &Reply) -> Vec<Finding> {
    if reply.status == StatusCode::OK {
        return vec![match reply.json["last_failure"].as_str() {
            // Only deploy-watcher has this field.
            Some(code) => Finding::warning(
                check,
                format!("ready at {base}, but its last poll failed: {code}"),
                "docs/deploys.md, section Errors, says what to do",
            ),
            None => Finding::ok(check, format!("ready at {base}")),
        }];
    }
    let reasons = reply.json["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut reasons: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
    if reasons.is_empty() {
        reasons.push("no reason is given");
    }
    let finding = |reason: &&str| {
        let hint = format!("correct this, and look at {base}/ready again; docs/database.md has more");
        Finding::problem(check, format!("not ready: {reason}"), hint)
    };
    reasons.iter().map(finding).collect()
}

/// The flag for the address of the service.
fn flag(check: Check) -> &'static str {
    match check {
        Check::WebhookIngest => "--webhook-url",
        Check::DeployWatcher => "--deploys-url",
        Check::Database
        | Check::Listen
        | Check::GatewayFeed
        | Check::WebhookSecret
        | Check::Ingest
        | Check::GitHub
        | Check::Agents
        | Check::Clocks => "--url",
    }
}

/// How to start the service.
fn start(check: Check) -> String {
    let (name, flag) = (check.name(), flag(check));
    format!("start everything with `oasis up`, or start {name}; if it runs elsewhere, pass {flag}")
}
