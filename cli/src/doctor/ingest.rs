//! Checks who may send events to the gateway, and who may read.

use hyper::{Method, StatusCode};
use oasis_service::client::Base;

use super::http;
use super::report::{Check, Finding};
use super::setup::Setup;

const PATH: &str = "/events/ingest";

/// Checks who may send events. The request has no body, so no event is stored.
pub(super) async fn check(setup: &Setup, gateway: &Base) -> Vec<Finding> {
    let token = setup.ingest_token.as_ref();
    let anonymous = match http::ask(gateway, Method::POST, PATH, None).await {
        Ok(reply) => reply.status,
        Err(why) => return vec![unknown(why)],
    };
    match (anonymous, token) {
        (StatusCode::UNAUTHORIZED, None) => {
            vec![Finding::ok(Check::Ingest, "needs a token; to try a token, set INGEST_TOKEN")]
        }
        (StatusCode::UNAUTHORIZED, Some(_)) => {
            vec![match http::ask(gateway, Method::POST, PATH, token).await {
                Ok(reply) if reply.status == StatusCode::UNAUTHORIZED => Finding::problem(
                    Check::Ingest,
                    "the gateway does not accept INGEST_TOKEN",
                    "set INGEST_TOKEN to one of the gateway's INGEST_TOKENS",
                ),
                Ok(_) => Finding::ok(Check::Ingest, "needs a token, and accepts INGEST_TOKEN"),
                Err(why) => unknown(why),
            }]
        }
        (StatusCode::FORBIDDEN, _) => vec![Finding::warning(
            Check::Ingest,
            "closed: the gateway accepts no events over HTTP",
            "set INGEST_TOKENS on the gateway, or INGEST_ANONYMOUS=true if only you can reach it",
        )],
        // The gateway checks the sender before it reads the body, which is empty here.
        (status, _) if status.is_client_error() => vec![open(gateway)],
        (status, _) => vec![unknown(format!("{gateway}{PATH} answers {status}"))],
    }
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

fn unknown(why: String) -> Finding {
    Finding::problem(Check::Ingest, why, "read the log of gateway-feed")
}
