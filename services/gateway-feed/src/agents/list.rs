//! Answers `GET /api/v1/oasis/agents`: the agents and their states.

use std::sync::Arc;

use hyper::{StatusCode, Uri};
use oasis_core::room::RoomId;
use oasis_core::{Status, Task, Ts, emails};
use oasis_service::{ApiError, Query, Response, response};
use serde::Serialize;
use serde_json::Value;

use super::observation::Observation;
use super::shared::Agents;
use super::state::State;
use crate::query::params;

/// The query parameters of the list of agents.
const PARAMETERS: &[&str] = &["vtid", "state", "agent", "token"];

#[derive(Serialize)]
struct AgentView<'a> {
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
    /// How the agent stopped; `None` if the agent has not stopped.
    status: Option<Status>,
    since: Ts,
    last_seen: String,
    /// The interval in seconds.
    interval: Option<Value>,
    last_id: i64,
    room: Option<&'a str>,
}

impl Agents {
    /// Answers with the agents that match the parameters. E-mail addresses are withheld unless every reader
    /// must present a token (`readers_known`).
    ///
    /// # Errors
    /// 400 for a bad parameter; 503 while the agents are not known.
    pub(crate) fn list(&self, uri: &Uri, readers_known: bool) -> Result<Response, ApiError> {
        let query = Query::parse(uri.query(), PARAMETERS)?;
        let tasks: Vec<Task> = params::values(&query, "vtid")?;
        let states: Vec<State> = params::values(&query, "state")?;
        let names = params::list(&query, "agent")?;
        if names.contains(&"") {
            return Err(params::bad("agent", "expected the name of an agent"));
        }
        let known = self.snapshot(|task, state| accepts(&tasks, task) && accepts(&states, &state));
        let known = known.ok_or_else(|| {
            ApiError::unavailable("starting", "the agents are not known yet", "the table has not been read")
                .hint("repeat the request in a moment; GET /ready shows whether the database can be read")
        })?;
        let mut shown: Vec<AgentView<'_>> = known
            .iter()
            .map(|one| show(one, readers_known))
            .filter(|shown| accepts(&names, &shown.agent.as_str()))
            .collect();
        shown.sort_by(|a, b| (&a.agent, &a.started, &a.instance).cmp(&(&b.agent, &b.started, &b.instance)));
        response::json(StatusCode::OK, &shown)
    }

    /// The agents that `wanted` accepts; `None` while the agents are not known. The tail also needs the
    /// registry's lock, so this function holds the lock only briefly.
    fn snapshot(&self, wanted: impl Fn(&Task, State) -> bool) -> Option<Vec<Listed>> {
        let registry = self.registry();
        let all = registry.is_known().then(|| registry.all(self.now()))?;
        let wanted = all.filter(|(agent, state)| wanted(&agent.ping.task, *state));
        Some(
            wanted
                .map(|(agent, state)| Listed { ping: agent.ping.clone(), state, since: agent.since() })
                .collect(),
        )
    }
}

fn accepts<T: PartialEq>(accepted: &[T], value: &T) -> bool {
    accepted.is_empty() || accepted.contains(value)
}

/// The data of an agent at the moment of the request.
struct Listed {
    ping: Arc<Observation>,
    state: State,
    since: Ts,
}

fn show(Listed { ping, state, since }: &Listed, readers_known: bool) -> AgentView<'_> {
    let text = |text: &String| {
        if readers_known { text.clone() } else { emails::withhold_in_text(text).into_owned() }
    };
    AgentView {
        agent: text(&ping.who.agent),
        role: ping.who.role.as_ref().map(text),
        instance: text(&ping.who.instance),
        host: ping.who.host.as_ref().map(text),
        pid: ping.who.pid,
        started: ping.who.started.as_ref().map(text),
        module: ping.module.as_str(),
        vtid: ping.task.as_str(),
        layer: ping.layer.as_str(),
        state: state.as_str(),
        status: (*state == State::Stopped).then_some(ping.status),
        since: *since,
        last_seen: Ts::clamped(ping.recorded_at).to_string(),
        interval: ping.interval_seconds(),
        last_id: ping.id,
        room: ping.room.as_ref().map(RoomId::as_str),
    }
}
