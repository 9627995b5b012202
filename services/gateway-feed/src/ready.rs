//! Answers of `GET /ready`: why the gateway is not ready, and what is full.

use oasis_service::{Disclosure, NotReady};
use oasis_store::{Need, Store};
use serde_json::{Map, Value};

use crate::agents::Agents;
use crate::streams::Streams;

/// What `/ready` says while there are too many agents.
const FULL_AGENTS: &str = "there are too many agents, so new agents of a token with many are not watched";

/// What `/ready` says while a stream has as many clients as it accepts.
fn full_stream(stream: &str) -> String {
    format!("as many clients as MAX_SUBSCRIBERS allows follow {stream}")
}

/// Whether the gateway can do its job.
///
/// # Errors
/// When the table cannot be used as `need` says, or when the ticker has no room for a further client.
pub(crate) async fn check(store: &Store, need: Need, streams: &Streams) -> Result<(), NotReady> {
    let mut reasons = store.check(need).await;
    // A reason of the check explains the trouble better than the error of the tail.
    if reasons.is_empty() {
        reasons.extend(streams.trouble().map(|why| format!("cannot read the table: {why}")));
    }
    // A load balancer should send new clients of the ticker to another gateway. Other parts that are full
    // must not keep clients of the ticker away, see `details`.
    if streams.ticker_is_full() {
        reasons.push(full_stream("the ticker"));
    }
    if reasons.is_empty() { Ok(()) } else { Err(NotReady { reasons }) }
}

/// What a client learns from the answer besides the reasons.
pub(crate) fn details(streams: &Streams, agents: &Agents, disclosure: Disclosure) -> Map<String, Value> {
    let why = streams.polls().map(|why| match disclosure {
        Disclosure::Full => why,
        // The reason can have an error of the database.
        Disclosure::MetricsOnly | Disclosure::None => "notifications of the database do not work".to_owned(),
    });
    let mut details: Map<String, Value> =
        why.map(|why| ("polls".to_owned(), why.into())).into_iter().collect();
    if disclosure == Disclosure::Full {
        let agents = agents.are_full().then(|| FULL_AGENTS.to_owned());
        let full: Vec<String> = agents.into_iter().chain(streams.full_private().map(full_stream)).collect();
        if !full.is_empty() {
            details.insert("full".to_owned(), full.into());
        }
    }
    details
}
