//! `GET /api/v1/oasis/agents`: who there is, and how they are.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use oasis_core::{Task, Ts, meta};
use oasis_service::{ApiError, Query, Response};
use serde::Serialize;
use serde_json::Value;

use super::Agents;
use super::registry::{Agent, State};
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
        let text = {
            let registry = self.registry();
            if !registry.is_known() {
                return Err(ApiError::unavailable(
                    "starting",
                    "the agents are not known yet",
                    "the table was not read",
                )
                .hint("ask again in a moment; /ready says when the database is away"));
            }
            let takes =
                |accepted: &[String], value: &str| accepted.is_empty() || accepted.iter().any(|a| a == value);
            let mut shown: Vec<Shown<'_>> = registry
                .all(self.now())
                .filter(|(agent, state)| takes(&vtids, &agent.ping.vtid) && takes(&states, state.as_str()))
                .map(|(agent, state)| show(agent, state, readers_known))
                .filter(|shown| takes(&names, &shown.agent))
                .collect();
            shown.sort_by(|a, b| {
                (&a.agent, &a.started, &a.instance).cmp(&(&b.agent, &b.started, &b.instance))
            });
            serde_json::to_vec(&shown).map_err(ApiError::internal)?
        };
        room.answer(text)
    }
}

fn show(agent: &Agent, state: State, readers_known: bool) -> Shown<'_> {
    let ping = &agent.ping;
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
        status: (state == State::Stopped).then_some(&ping.status),
        since: agent.since(),
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
