//! `GET /api/v1/oasis/agents`: who there is, and how they are.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use hyper::Uri;
use oasis_core::{Task, Ts, meta};
use oasis_service::{ApiError, Query, Response};
use serde::Serialize;
use serde_json::Value;

use super::Agents;
use super::heard::Heard;
use super::registry::State;
use super::telling::seconds;
use crate::events::Room;
use crate::params;

/// The parameters of the list.
const PARAMETERS: &[&str] = &["vtid", "state", "agent", "token"];

#[derive(Serialize)]
struct Shown<'a> {
    agent: String,
    role: Option<String>,
    instance: String,
    host: Option<String>,
    pid: Option<u32>,
    started: Option<String>,
    module: &'a str,
    vtid: &'a str,
    layer: &'a str,
    state: &'static str,
    /// How it stopped.
    status: Option<&'a str>,
    since: &'a str,
    last_seen: String,
    /// In seconds.
    interval: Option<Value>,
    last_id: i64,
}

impl Agents {
    /// Answers with all agents that the parameters ask for. Unless readers are known, people's e-mail addresses are withheld.
    pub(crate) fn list(&self, room: &Room, uri: &Uri, readers_known: bool) -> Result<Response, ApiError> {
        let query = Query::parse(uri.query(), PARAMETERS)?;
        let vtids =
            params::list(&query, "vtid", |text| text.parse::<Task>().map(|task| task.as_str().to_owned()))?;
        let states = params::list(&query, "state", |text| {
            text.parse::<State>().map(|state| state.as_str().to_owned())
        })?;
        let names = params::list(&query, "agent", |text| match text.is_empty() {
            true => Err("expected the name of an agent"),
            false => Ok(text.to_owned()),
        })?;
        let known = self.snapshot(|vtid, state| takes(&vtids, vtid) && takes(&states, state.as_str()));
        let known = known.ok_or_else(|| {
            ApiError::unavailable("starting", "the agents are not known yet", "the table was not read")
                .hint("ask again in a moment; /ready says when the database is away")
        })?;
        let mut shown: Vec<Shown<'_>> = known
            .iter()
            .map(|one| show(one, readers_known))
            .filter(|shown| takes(&names, &shown.agent))
            .collect();
        shown.sort_by(|a, b| (&a.agent, &a.started, &a.instance).cmp(&(&b.agent, &b.started, &b.instance)));
        room.answer(serde_json::to_vec(&shown).map_err(ApiError::internal)?)
    }

    /// Those that `wanted` takes; `None` while nobody is known. The tail waits for the registry, so it is not held for long.
    fn snapshot(&self, wanted: impl Fn(&str, State) -> bool) -> Option<Vec<Known>> {
        let registry = self.registry();
        let all = registry.is_known().then(|| registry.all(self.now()))?;
        let wanted = all.filter(|(agent, state)| wanted(&agent.ping.vtid, *state));
        Some(
            wanted
                .map(|(agent, state)| Known { ping: agent.ping.clone(), state, since: agent.since().clone() })
                .collect(),
        )
    }
}

fn takes(accepted: &[String], value: &str) -> bool {
    accepted.is_empty() || accepted.iter().any(|a| a == value)
}

/// An agent as it was at the moment of the question.
struct Known {
    ping: Arc<Heard>,
    state: State,
    since: Arc<str>,
}

fn show(Known { ping, state, since }: &Known, readers_known: bool) -> Shown<'_> {
    let text = |text: &String| match readers_known {
        true => text.clone(),
        false => without_addresses(text),
    };
    Shown {
        agent: text(&ping.who.agent),
        role: ping.who.role.as_ref().map(text),
        instance: text(&ping.who.instance),
        host: ping.who.host.as_ref().map(text),
        pid: ping.who.pid,
        started: ping.who.started.as_ref().map(text),
        module: &ping.module,
        vtid: &ping.vtid,
        layer: &ping.layer,
        state: state.as_str(),
        status: (*state == State::Stopped).then_some(&ping.status),
        since,
        last_seen: Ts::clamped(ping.recorded_at).to_string(),
        interval: ping.interval.map(seconds),
        last_id: ping.id,
    }
}

fn without_addresses(text: &str) -> String {
    if !text.contains('@') {
        return text.to_owned();
    }
    let withheld = meta::withhold_emails(&Value::from(text).to_string());
    serde_json::from_str(&withheld).unwrap_or_default()
}

/// A word that is no state.
#[derive(Debug)]
pub(crate) struct NoState;

impl fmt::Display for NoState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected one of {}", State::ALL.map(State::as_str).join(", "))
    }
}

impl FromStr for State {
    type Err = NoState;

    fn from_str(text: &str) -> Result<Self, NoState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(NoState)
    }
}
