//! The last events for a new reader of the feed: pings that only repeat the one before are left out, or twenty agents
//! would fill it. However many of them stand at the head, hardly any is looked at.

use oasis_core::ping::PING;
use oasis_core::{Channel, Source, Task};

use super::page_of;
use super::statement::{Param, Statement, Walk, fields};
use crate::{Filter, Order, Page, PageQuery, Store, StoreError};

/// A ping that says something new, as the index `oasis_events_news_of_agents` has it.
const NEWS: &str = "e.source = 'agent.ping' AND (e.meta -> 'repeat') IS DISTINCT FROM 'true'::jsonb";

impl Store {
    /// The newest rows below `before` that pass `filter` and are no repeats, at most `limit`, newest first.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn replay(&self, filter: &Filter, before: i64, limit: i64) -> Result<Page, StoreError> {
        let order = Order::NewestFirst { before: Some(before) };
        let rows =
            self.rows(&Statement::replay(&PageQuery::ticker(Some(filter), order, limit), filter)).await?;
        Ok(page_of(&rows)?)
    }
}

impl Statement {
    /// What agents said and what all others did are found apart and merged.
    fn replay(query: &PageQuery<'_>, filter: &Filter) -> Self {
        let mut this = Self::default();
        let limit = this.param(Param::Id(query.limit));
        let mut parts = Vec::new();
        if filter.channel == Channel::devhub() {
            let (among, rest) = apart(filter);
            for walk in [
                among.and_then(|filter| among_agents(query, &filter, &mut this)),
                rest.and_then(|filter| others(query, &filter, &mut this)),
                news(query, filter, &mut this),
            ] {
                parts.extend(walk.map(|walk| walk.sql(&fields_and_meta(), &limit)));
            }
        } else {
            let mut walk = Walk::of(query, &mut this);
            walk.conditions.push(format!("(e.source <> 'agent.ping' OR {NEWS})"));
            parts.push(walk.sql(&fields_and_meta(), &limit));
        }
        let parts: Vec<String> = parts
            .iter()
            .map(|found| format!("(SELECT found.* FROM {found} ORDER BY found.id DESC LIMIT {limit})"))
            .collect();
        let all = parts.join(" UNION ALL ");
        this.finish(
            query,
            "",
            &format!("SELECT every.* FROM ({all}) AS every ORDER BY every.id DESC LIMIT {limit}"),
        );
        this
    }
}

fn fields_and_meta() -> String {
    format!("{}, e.meta", fields("e"))
}

/// The sources that a filter takes.
fn sources(filter: &Filter) -> Vec<String> {
    match filter.source.is_empty() {
        true => Source::ALL.iter().map(ToString::to_string).collect(),
        false => filter.source.clone(),
    }
}

/// Takes the values that agents have by the million out of a filter: what asks for those alone, and what asks for the rest.
fn apart(filter: &Filter) -> (Option<Filter>, Option<Filter>) {
    let split = |values: &[String], value: &str| {
        let rest: Vec<String> = values.iter().filter(|other| *other != value).cloned().collect();
        (rest.len() < values.len()).then_some(rest)
    };
    if let Some(rest) = split(&filter.vtid, Task::Idle.as_str()) {
        let idle = vec![Task::Idle.as_str().to_owned()];
        let rest = (!rest.is_empty()).then(|| Filter { vtid: rest, ..filter.clone() });
        return (Some(Filter { vtid: idle, ..filter.clone() }), rest);
    }
    if let Some(rest) = split(&filter.kind, PING).filter(|_| filter.vtid.is_empty()) {
        let rest = (!rest.is_empty()).then(|| Filter { kind: rest, ..filter.clone() });
        return (Some(Filter { kind: vec![PING.to_owned()], ..filter.clone() }), rest);
    }
    (None, Some(filter.clone()))
}

/// What others did that has such a value: along the index `oasis_events_among_agents`.
fn among_agents(query: &PageQuery<'_>, filter: &Filter, statement: &mut Statement) -> Option<Walk> {
    if sources(filter) == [Source::AgentPing.as_str()] {
        return None;
    }
    let mut walk = Walk::along_ids(query, filter, statement);
    walk.conditions.push("e.source <> 'agent.ping' AND (e.kind = 'ping' OR e.vtid = 'IDLE')".to_owned());
    Some(walk)
}

/// What others than agents did. Where the index on status and source leads, it leads past the pings, as it does where
/// nothing else would.
fn others(query: &PageQuery<'_>, filter: &Filter, statement: &mut Statement) -> Option<Walk> {
    let mut sources = sources(filter);
    sources.retain(|source| source != Source::AgentPing.as_str());
    if sources.is_empty() {
        return None;
    }
    let by_source = filter.is_open() || !filter.status.is_empty() || !filter.source.is_empty();
    let many = sources.len() > 1;
    let own = if by_source { Filter { source: sources, ..filter.clone() } } else { filter.clone() };
    let mut walk = Walk::of(&PageQuery { filter: Some(&own), ..query.clone() }, statement);
    // Over a list of sources it would say nothing more, and look so selective to the planner that it expects long walks and
    // compiles the statement (JIT), for longer than it runs.
    if !(by_source && many) {
        walk.conditions.push("e.source <> 'agent.ping'".to_owned());
    }
    Some(walk)
}

/// What agents said that was new: along the index of it, or, where tasks are named, along theirs.
fn news(query: &PageQuery<'_>, filter: &Filter, statement: &mut Statement) -> Option<Walk> {
    let sources = sources(filter);
    if !sources.iter().any(|source| source == Source::AgentPing.as_str()) {
        return None;
    }
    let tasks = !filter.vtid.is_empty() && !filter.vtid.iter().any(|vtid| vtid == "IDLE" || vtid == "UNSET");
    let mut walk = match tasks {
        true => Walk::of(query, statement),
        false => Walk::along_ids(query, filter, statement),
    };
    walk.conditions.push(NEWS.to_owned());
    Some(walk)
}
