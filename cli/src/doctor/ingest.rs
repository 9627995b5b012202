//! Checks who may send events to the gateway.

use hyper::Method;
use oasis_service::client::Base;

use super::http::{self, Reply};
use super::report::{Check, Finding};
use super::setup::Setup;

const PATH: &str = "/events/ingest";

/// What the answer to an empty request says about its sender.
#[derive(Debug)]
enum Admission {
    /// The sender may send events: the gateway has accepted the sender, and refused only the empty body.
    Admitted,
    /// The gateway needs a token, or another token.
    TokenNeeded,
    /// The gateway accepts no events over HTTP.
    Closed,
    /// The gateway has failed, or a proxy has answered.
    Unknown(Finding),
}

/// Checks who may send events. The request has no body, so no event is stored.
pub(super) async fn check(setup: &Setup, gateway: &Base) -> Vec<Finding> {
    let token = setup.ingest_token.as_ref();
    let ask = async |token| match http::ask(gateway, Method::POST, PATH, token).await {
        Ok(reply) => judge(&reply, gateway),
        Err(why) => Admission::Unknown(Finding::problem(Check::Ingest, why, LOG)),
    };
    vec![match (ask(None).await, token) {
        (Admission::TokenNeeded, None) => {
            Finding::ok(Check::Ingest, "needs a token; to try a token, set INGEST_TOKEN")
        }
        (Admission::TokenNeeded, Some(token)) => match ask(Some(token)).await {
            Admission::TokenNeeded => Finding::problem(
                Check::Ingest,
                "the gateway does not accept INGEST_TOKEN",
                "set INGEST_TOKEN to one of the gateway's INGEST_TOKENS",
            ),
            Admission::Admitted | Admission::Closed => {
                Finding::ok(Check::Ingest, "needs a token, and accepts INGEST_TOKEN")
            }
            Admission::Unknown(finding) => finding,
        },
        (Admission::Admitted, _) => open(gateway),
        (Admission::Closed, _) => Finding::warning(
            Check::Ingest,
            "closed: the gateway accepts no events over HTTP",
            "set INGEST_TOKENS on the gateway, or INGEST_ANONYMOUS=true if only you can reach it",
        ),
        (Admission::Unknown(finding), _) => finding,
    }]
}

fn open(gateway: &Base) -> Finding {
    if gateway.is_loopback() {
        return Finding::ok(Check::Ingest, "open: everyone on this machine can send events without a token");
    }
    Finding::warning(
        Check::Ingest,
        format!("open: everyone who reaches {gateway} can send events without a token"),
        "set INGEST_TOKENS on the gateway, and remove INGEST_ANONYMOUS",
    )
}

const LOG: &str = "read the log of gateway-feed";

fn judge(reply: &Reply, gateway: &Base) -> Admission {
    let Reply { status, .. } = *reply;
    let at = format!("POST {gateway}{PATH} answers {status}");
    let problem = |meaning: &str, hint: &str| {
        Admission::Unknown(Finding::problem(Check::Ingest, format!("{at}: {meaning}"), hint))
    };
    // The errors of our services have a code. The errors of a proxy do not.
    let code = reply.json["error"]["code"].as_str();
    match (status.as_u16(), code) {
        (400 | 415, Some(_)) => Admission::Admitted,
        (401, Some(_)) => Admission::TokenNeeded,
        (403, Some(_)) => Admission::Closed,
        (200..=299, _) => problem(
            "a request without an event was accepted, so gateway-feed has not answered",
            "let the proxy pass this path on to gateway-feed",
        ),
        (300..=399, _) => {
            let to = reply.location.as_deref().unwrap_or("another address");
            problem(
                &format!("a redirect to {to}, and senders do not follow redirects"),
                "give senders the address of the redirect, or let the proxy pass this path on",
            )
        }
        (404 | 405 | 410, _) => problem(
            "nothing accepts events at this path",
            "let the proxy pass this path on with the method POST, and run the same version of gateway-feed",
        ),
        (413, _) => problem(
            "even an empty request is too large",
            "raise the limit of the proxy for bodies, such as client_max_body_size of nginx",
        ),
        (429, _) => Admission::Unknown(Finding::warning(
            Check::Ingest,
            format!("not checked: {at}, because there were too many requests"),
            "run the check again in a minute",
        )),
        (400..=499, None) => problem(
            "a proxy refuses the request before it reaches gateway-feed",
            "let the proxy pass this path on, with the header Authorization",
        ),
        (502..=504, None) => problem(
            "a proxy cannot reach gateway-feed, or does not wait long enough for the answer",
            "read the log of the proxy, and check the address that it uses for gateway-feed",
        ),
        (_, Some(code)) => problem(&format!("gateway-feed has failed with `{code}`"), LOG),
        (_, None) => problem("the answer is not from gateway-feed", "read the log of the proxy"),
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use serde_json::{Value, json};

    use super::*;
    use crate::doctor::report::Verdict;

    fn judged(status: u16, json: Value) -> Admission {
        let status = StatusCode::from_u16(status).unwrap();
        let reply = Reply { status, json, location: Some("https://h/".to_owned()), clock_ahead: None };
        judge(&reply, &"http://h:8080".parse().unwrap())
    }

    #[test]
    fn only_an_answer_of_the_gateway_says_who_may_send() {
        let ours = |status| judged(status, json!({ "error": { "code": "x", "message": "m" } }));
        assert!(matches!((ours(400), ours(415)), (Admission::Admitted, Admission::Admitted)));
        assert!(matches!((ours(401), ours(403)), (Admission::TokenNeeded, Admission::Closed)));
        for status in [400, 401, 403, 415] {
            assert!(matches!(judged(status, Value::Null), Admission::Unknown(_)), "{status}");
        }
    }

    #[test]
    fn the_meaning_of_every_other_status_is_reported() {
        for (status, meaning) in [
            (200, "gateway-feed has not answered"),
            (301, "a redirect to https://h/"),
            (308, "a redirect to https://h/"),
            (404, "nothing accepts events at this path"),
            (405, "nothing accepts events at this path"),
            (407, "a proxy refuses the request"),
            (413, "even an empty request is too large"),
            (500, "is not from gateway-feed"),
            (502, "a proxy cannot reach gateway-feed"),
            (504, "a proxy cannot reach gateway-feed"),
        ] {
            let Admission::Unknown(finding) = judged(status, Value::Null) else { panic!("{status}") };
            assert_eq!(finding.verdict, Verdict::Problem);
            assert!(finding.message.contains(meaning), "{finding:?}");
            assert!(
                finding.message.starts_with(&format!("POST http://h:8080/events/ingest answers {status}"))
            );
        }
        let Admission::Unknown(busy) = judged(429, Value::Null) else { panic!() };
        assert_eq!(busy.verdict, Verdict::Warning);
        let ours = judged(503, json!({ "error": { "code": "busy" } }));
        assert!(matches!(ours, Admission::Unknown(finding) if finding.message.contains("with `busy`")));
    }
}
