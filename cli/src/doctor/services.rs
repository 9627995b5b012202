//! Checks a service: whether it answers, and whether it is ready.

use hyper::{Method, StatusCode};
use jiff::SignedDuration;
use oasis_service::client::Base;
use serde_json::Value;

use super::database::POLLS;
use super::http::{self, Reply};
use super::report::{Check, Finding};
use super::setup::Address;

/// What to do about a gateway that is full.
const FULL: &str = "docs/security.md, section Bounds, says what gives way";

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
            (Address::Optional(base), Some(Ok(reply))) if reply.json["service"] != name => {
                let message = format!("not running: another program answers at {base}");
                vec![Finding::ok(check, format!("{message}; only deploys to Cloud Run need it"))]
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

/// Judges an answer that came from the service itself.
fn ready(check: Check, base: &Base, reply: &Reply) -> Vec<Finding> {
    if reply.status == StatusCode::OK {
        // Only deploy-watcher has `last_failure`, and only gateway-feed has `polls`.
        let [failure, polls] = ["last_failure", "polls"].map(|field| reply.json[field].as_str());
        let mut findings = vec![match (failure, polls) {
            (Some(code), _) => Finding::warning(
                check,
                format!("ready at {base}, but its last poll failed: {code}"),
                "docs/deploys.md, section Errors, says what to do",
            ),
            (None, Some(why)) => Finding::warning(
                check,
                format!("ready at {base}, but it reads the table every 2 s: {why}"),
                POLLS,
            ),
            (None, None) => Finding::ok(check, format!("ready at {base}")),
        }];
        // A gateway that is full for agents, or for clients of a private stream, still serves the ticker.
        let full = reply.json["full"].as_array().into_iter().flatten().filter_map(Value::as_str);
        findings.extend(full.map(|what| Finding::warning(check, format!("full: {what}"), FULL)));
        return findings;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::report::Verdict;

    /// The verdicts and messages for an answer of deploy-watcher at an address.
    fn found(address: &Address, reply: Result<(StatusCode, Value), String>) -> Vec<(Verdict, String)> {
        let reply = reply.map(|(status, json)| Reply { status, json, location: None, clock_ahead: None });
        let service = Service { check: Check::DeployWatcher, address, reply: Some(reply) };
        service.findings().into_iter().map(|finding| (finding.verdict, finding.message)).collect()
    }

    #[test]
    fn each_reason_is_a_problem_and_a_failed_poll_is_a_warning() {
        let address = Address::Required("http://h:8082".parse().unwrap());
        let of = |status, json| found(&address, Ok((status, json)));
        let ready = json!({ "service": "deploy-watcher", "last_failure": null });
        assert_eq!(of(StatusCode::OK, ready), [(Verdict::Ok, "ready at http://h:8082".to_owned())]);
        let failed = json!({ "service": "deploy-watcher", "last_failure": "permission_denied" });
        let failed = of(StatusCode::OK, failed);
        assert!(
            matches!(&failed[..], [(Verdict::Warning, text)] if text.ends_with("failed: permission_denied"))
        );
        let reasons = json!({ "service": "deploy-watcher", "reasons": ["a", "b"] });
        let reasons = of(StatusCode::SERVICE_UNAVAILABLE, reasons);
        assert_eq!(reasons, ["a", "b"].map(|reason| (Verdict::Problem, format!("not ready: {reason}"))));
    }

    #[test]
    fn a_gateway_that_polls_says_why() {
        let address = Address::Required("http://h:8080".parse().unwrap());
        let json = json!({ "service": "gateway-feed", "polls": "the server refuses LISTEN (standby)" });
        let reply = Reply { status: StatusCode::OK, json, location: None, clock_ahead: None };
        let service = Service { check: Check::GatewayFeed, address: &address, reply: Some(Ok(reply)) };
        let finding = &service.findings()[0];
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(finding.message.ends_with("every 2 s: the server refuses LISTEN (standby)"), "{finding:?}");
    }

    #[test]
    fn a_gateway_that_is_ready_but_full_says_what_is_full() {
        let address = Address::Required("http://h:8082".parse().unwrap());
        let json = json!({ "service": "deploy-watcher", "full": ["too many agents", "too many clients"] });
        let full = found(&address, Ok((StatusCode::OK, json)));
        let warning = |text: &str| (Verdict::Warning, text.to_owned());
        assert_eq!(full[0], (Verdict::Ok, "ready at http://h:8082".to_owned()));
        assert_eq!(full[1..], [warning("full: too many agents"), warning("full: too many clients")]);
    }

    #[test]
    fn another_program_on_the_default_port_is_not_taken_for_the_service() {
        let base: Base = "http://localhost:8082".parse().unwrap();
        for json in [Value::Null, json!({ "ok": true }), json!({ "service": "gateway-feed" })] {
            let of = |address| found(&address, Ok((StatusCode::OK, json.clone())));
            let optional = of(Address::Optional(base.clone()));
            assert!(
                matches!(&optional[..], [(Verdict::Ok, text)] if text.starts_with("not running: another")),
                "{optional:?}"
            );
            assert_eq!(of(Address::Required(base.clone()))[0].0, Verdict::Problem);
        }
    }

    #[test]
    fn a_service_that_not_everyone_needs_may_be_down() {
        let base: Base = "http://localhost:8082".parse().unwrap();
        let verdict = |address: &Address| found(address, Err("refused".to_owned()))[0].0;
        assert_eq!(verdict(&Address::Required(base.clone())), Verdict::Problem);
        assert_eq!(verdict(&Address::Optional(base)), Verdict::Ok);
        let unknown = Service { check: Check::WebhookIngest, address: &Address::Unknown, reply: None };
        assert_eq!(unknown.findings()[0].verdict, Verdict::Warning);
    }
}
