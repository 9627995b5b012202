//! Reads the last events for a new reader of the feed. A repeat is a ping that only repeats the agent's
//! previous ping. Repeats are left out, because the repeats of twenty agents would fill the replay. Where
//! possible, the reads use indexes that contain no repeats, so a replay is fast even if the newest rows are
//! all repeats.

use oasis_core::ping::PING;
use oasis_core::{Source, Task};

use super::param::{Param, Params};
use super::query::{Columns, Order, PageQuery};
use super::read::Page;
use super::statement::{PageStatement, fields};
use super::walk::IndexWalk;
use crate::error::StoreError;
use crate::filter::Filter;
use crate::store::Store;

/// The condition of the index `oasis_events_news_of_agents`. It selects the events of agents that are not
/// repeats.
const NEWS: &str = "e.source = 'agent.ping' AND (e.meta -> 'repeat') IS DISTINCT FROM 'true'::jsonb";

impl Store {
    /// Reads the newest rows that pass `filter`, have ids below `before`, and are not repeats. The page has
    /// at most `limit` rows, newest first.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn replay(&self, filter: &Filter, before: i64, limit: i64) -> Result<Page, StoreError> {
        let order = Order::NewestFirst { before: Some(before) };
        let columns = Columns::of_channel(&filter.channel);
        let query = PageQuery { columns, ..PageQuery::ticker(Some(filter), order, limit) };
        Page::read(&self.rows(&replay_statement(&query, filter)).await?, limit)
    }
}

/// The statement of a replay. Rows of agents and rows of other sources are found separately, then merged.
fn replay_statement(query: &PageQuery<'_>, filter: &Filter) -> PageStatement {
    let mut params = Params::default();
    let limit = params.add(Param::Id(query.limit.saturating_add(1)));
    let mut parts = Vec::new();
    if filter.channel.is_devhub() {
        let (agent_values, rest) = split_agent_values(filter);
        for walk in [
            agent_values.and_then(|filter| among_agents(query, &filter, &mut params)),
            rest.and_then(|filter| other_sources(query, &filter, &mut params)),
            news_of_agents(query, filter, &mut params),
        ] {
            parts.extend(walk.map(|walk| walk.sql(&fields_and_meta(), &limit)));
        }
    } else {
        let mut walk = IndexWalk::of(query, &mut params);
        walk.conditions.push(format!("(e.source <> 'agent.ping' OR {NEWS})"));
        parts.push(walk.sql(&fields_and_meta(), &limit));
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|found| format!("(SELECT found.* FROM {found} ORDER BY found.place DESC LIMIT {limit})"))
        .collect();
    let all = parts.join(" UNION ALL ");
    let page = format!("SELECT every.* FROM ({all}) AS every ORDER BY every.place DESC LIMIT {limit}");
    PageStatement::of(query, params, "", "", &page)
}

fn fields_and_meta() -> String {
    format!("{}, e.meta", fields("e"))
}

/// The sources that a filter accepts.
fn sources(filter: &Filter) -> Vec<Source> {
    if filter.source.is_empty() { Source::ALL.to_vec() } else { filter.source.clone() }
}

/// Splits a filter into two parts. The first part accepts only the value that millions of pings have: the
/// task `IDLE` or, if the filter names no tasks, the kind `ping`. The second part accepts all other values of
/// the filter. A part that would accept no value is `None`.
fn split_agent_values(filter: &Filter) -> (Option<Filter>, Option<Filter>) {
    fn split<T: Clone>(values: &[T], is: impl Fn(&T) -> bool) -> Option<(Vec<T>, Vec<T>)> {
        let (chosen, rest): (Vec<T>, Vec<T>) = values.iter().cloned().partition(is);
        (!chosen.is_empty()).then_some((chosen, rest))
    }
    if let Some((idle, rest)) = split(&filter.vtid, |task| *task == Task::Idle) {
        let rest = (!rest.is_empty()).then(|| Filter { vtid: rest, ..filter.clone() });
        return (Some(Filter { vtid: idle, ..filter.clone() }), rest);
    }
    let pings = split(&filter.kind, |kind| kind.as_str() == PING).filter(|_| filter.vtid.is_empty());
    if let Some((pings, rest)) = pings {
        let rest = (!rest.is_empty()).then(|| Filter { kind: rest, ..filter.clone() });
        return (Some(Filter { kind: pings, ..filter.clone() }), rest);
    }
    (None, Some(filter.clone()))
}

/// Reads the rows that have the task `IDLE` or the kind `ping` but do not come from agents, along the index
/// `oasis_events_among_agents`. `None` if the filter accepts only agents.
fn among_agents(query: &PageQuery<'_>, filter: &Filter, params: &mut Params) -> Option<IndexWalk> {
    if sources(filter) == [Source::AgentPing] {
        return None;
    }
    let mut walk = IndexWalk::along_ids(query, filter, params);
    walk.conditions.push("e.source <> 'agent.ping' AND (e.kind = 'ping' OR e.vtid = 'IDLE')".to_owned());
    Some(walk)
}

/// Reads rows of all sources except agents. If the filter names a status or a source, the walk goes along the
/// index on status and source, and the list of sources keeps the walk away from the pings. If the filter
/// names no field, the walk uses the same index.
fn other_sources(query: &PageQuery<'_>, filter: &Filter, params: &mut Params) -> Option<IndexWalk> {
    let mut sources = sources(filter);
    sources.retain(|source| *source != Source::AgentPing);
    if sources.is_empty() {
        return None;
    }
    let by_source = filter.is_open() || !filter.status.is_empty() || !filter.source.is_empty();
    let many = sources.len() > 1;
    let own = if by_source { Filter { source: sources, ..filter.clone() } } else { filter.clone() };
    let mut walk = IndexWalk::of(&PageQuery { filter: Some(&own), ..query.clone() }, params);
    // With a list of several sources, this condition would not change the result. But the planner would
    // expect few matching rows and therefore long walks, and would compile the statement (JIT). The
    // compilation takes longer than the execution of the statement.
    if !(by_source && many) {
        walk.conditions.push("e.source <> 'agent.ping'".to_owned());
    }
    Some(walk)
}

/// Reads events of agents that are not repeats, along the index of these events. If the filter names tasks
/// and all of them are VTIDs, the walk goes along the index on VTIDs instead. `None` if the filter does not
/// accept agents.
fn news_of_agents(query: &PageQuery<'_>, filter: &Filter, params: &mut Params) -> Option<IndexWalk> {
    let sources = sources(filter);
    if !sources.contains(&Source::AgentPing) {
        return None;
    }
    let tasks = !filter.vtid.is_empty() && filter.vtid.iter().all(|task| matches!(task, Task::Vtid(_)));
    let mut walk =
        if tasks { IndexWalk::of(query, params) } else { IndexWalk::along_ids(query, filter, params) };
    walk.conditions.push(NEWS.to_owned());
    Some(walk)
}
