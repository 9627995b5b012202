//! The last events for a new reader of the feed: pings that only repeat the one before are left out, or
//! twenty agents would fill it. However many of them stand at the head, hardly any is looked at.

use oasis_core::ping::PING;
use oasis_core::{Source, Task};

use super::param::{Param, Params};
use super::query::{Columns, Order, PageQuery};
use super::read::Page;
use super::statement::{Statement, fields};
use super::walk::Walk;
use crate::error::StoreError;
use crate::filter::Filter;
use crate::store::Store;

/// A ping that says something new, as the index `oasis_events_news_of_agents` has it.
const NEWS: &str = "e.source = 'agent.ping' AND (e.meta -> 'repeat') IS DISTINCT FROM 'true'::jsonb";

impl Store {
    /// The newest rows below `before` that pass `filter` and are no repeats, at most `limit`, newest first.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn replay(&self, filter: &Filter, before: i64, limit: i64) -> Result<Page, StoreError> {
        let order = Order::NewestFirst { before: Some(before) };
        let columns = Columns::of_channel(&filter.channel);
        let query = PageQuery { columns, ..PageQuery::ticker(Some(filter), order, limit) };
        Page::read(&self.rows(&replay(&query, filter)).await?, limit)
    }
}

/// What agents said and what all others did are found apart and merged.
fn replay(query: &PageQuery<'_>, filter: &Filter) -> Statement {
    let mut params = Params::default();
    let limit = params.add(Param::Id(query.limit.saturating_add(1)));
    let mut parts = Vec::new();
    if filter.channel.is_devhub() {
        let (among, rest) = apart(filter);
        for walk in [
            among.and_then(|filter| among_agents(query, &filter, &mut params)),
            rest.and_then(|filter| others(query, &filter, &mut params)),
            news(query, filter, &mut params),
        ] {
            parts.extend(walk.map(|walk| walk.sql(&fields_and_meta(), &limit)));
        }
    } else {
        let mut walk = Walk::of(query, &mut params);
        walk.conditions.push(format!("(e.source <> 'agent.ping' OR {NEWS})"));
        parts.push(walk.sql(&fields_and_meta(), &limit));
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|found| format!("(SELECT found.* FROM {found} ORDER BY found.id DESC LIMIT {limit})"))
        .collect();
    let all = parts.join(" UNION ALL ");
    let page = format!("SELECT every.* FROM ({all}) AS every ORDER BY every.id DESC LIMIT {limit}");
    Statement::of(query, params, "", "", &page)
}

fn fields_and_meta() -> String {
    format!("{}, e.meta", fields("e"))
}

/// The sources that a filter takes.
fn sources(filter: &Filter) -> Vec<Source> {
    if filter.source.is_empty() { Source::ALL.to_vec() } else { filter.source.clone() }
}

/// Takes the values that agents have by the million out of a filter: what asks for those alone, and what
/// asks for the rest.
fn apart(filter: &Filter) -> (Option<Filter>, Option<Filter>) {
    fn split<T: Clone>(values: &[T], is: impl Fn(&T) -> bool) -> Option<(Vec<T>, Vec<T>)> {
        let (those, rest): (Vec<T>, Vec<T>) = values.iter().cloned().partition(is);
        (!those.is_empty()).then_some((those, rest))
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

/// What others did that has such a value: along the index `oasis_events_among_agents`.
fn among_agents(query: &PageQuery<'_>, filter: &Filter, params: &mut Params) -> Option<Walk> {
    if sources(filter) == [Source::AgentPing] {
        return None;
    }
    let mut walk = Walk::along_ids(query, filter, params);
    walk.conditions.push("e.source <> 'agent.ping' AND (e.kind = 'ping' OR e.vtid = 'IDLE')".to_owned());
    Some(walk)
}

/// What others than agents did. Where the index on status and source leads, it leads past the pings, as it
/// does where nothing else would.
fn others(query: &PageQuery<'_>, filter: &Filter, params: &mut Params) -> Option<Walk> {
    let mut sources = sources(filter);
    sources.retain(|source| *source != Source::AgentPing);
    if sources.is_empty() {
        return None;
    }
    let by_source = filter.is_open() || !filter.status.is_empty() || !filter.source.is_empty();
    let many = sources.len() > 1;
    let own = if by_source { Filter { source: sources, ..filter.clone() } } else { filter.clone() };
    let mut walk = Walk::of(&PageQuery { filter: Some(&own), ..query.clone() }, params);
    // Over a list of sources it would say nothing more, and look so selective to the planner that it
    // expects long walks and compiles the statement (JIT), for longer than it runs.
    if !(by_source && many) {
        walk.conditions.push("e.source <> 'agent.ping'".to_owned());
    }
    Some(walk)
}

/// What agents said that was new: along the index of it, or, where tasks are named, along theirs.
fn news(query: &PageQuery<'_>, filter: &Filter, params: &mut Params) -> Option<Walk> {
    let sources = sources(filter);
    if !sources.contains(&Source::AgentPing) {
        return None;
    }
    let tasks = !filter.vtid.is_empty() && filter.vtid.iter().all(|task| matches!(task, Task::Vtid(_)));
    let mut walk = if tasks { Walk::of(query, params) } else { Walk::along_ids(query, filter, params) };
    walk.conditions.push(NEWS.to_owned());
    Some(walk)
}
