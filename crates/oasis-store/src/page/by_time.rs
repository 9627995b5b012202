//! Reads pages of the ticker with bounds on `ts`. The pages are in id order, but `ts` is the producer's time
//! and may have another order. A first statement scans the newest rows. If these rows do not complete the
//! page, a second statement uses the index on `ts`.

use std::collections::BTreeMap;

use oasis_core::Ts;

use super::param::{Param, Params};
use super::query::{Order, PageQuery};
use super::statement::{PageStatement, limit_and_offset, rows_needed, time_bounds, whole_rows};
use super::walk::{IndexWalk, StatusAndSource};
use crate::filter::Filter;

/// The number of newest rows that the first statement scans, in total for all combinations of leading values
/// (see `walk.rs`).
const NEWEST_ROWS: i64 = 1_000;

/// The fields of a filter that `oasis_ids_between` accepts, in the order of the function's parameters.
const FIELDS: [&str; 6] = ["vtid", "status", "source", "kind", "module", "layer"];

/// The statement that looks for the page among the newest rows that pass the filter. The column `settled` of
/// the result says whether the page is complete. The page is usually complete if the filter names a rare
/// value or if the bounds are close to the present time. `None` for queries that [`bounded_filter`] does not
/// accept.
pub(super) fn among_newest(query: &PageQuery<'_>) -> Option<PageStatement> {
    bounded_filter(query)?;
    let mut params = Params::default();
    let walk = IndexWalk::of(query, &mut params);
    let needed = rows_needed(query);
    let budget = params.add(Param::Id(needed.max(NEWEST_ROWS / walk.combinations())));
    let found = walk.sql("e.id, e.ts", &budget);
    let bounds = time_bounds(&mut params, query, "newest_rows.ts").unwrap_or_default();
    let limit = limit_and_offset(&mut params, query);
    let needed = params.add(Param::Id(needed));
    let with = format!(
        "WITH newest_rows AS MATERIALIZED ( \
           SELECT found.* FROM {found} ORDER BY found.place DESC LIMIT {budget}), \
         settled AS MATERIALIZED ( \
           SELECT count(*) < {budget} OR count(*) FILTER (WHERE {bounds}) >= {needed} AS settled \
           FROM newest_rows) "
    );
    Some(PageStatement::if_settled(query, params, &with, &bounds, &limit))
}

/// The statement that finds a page with any bounds on `ts`. The SQL function `oasis_ids_between` finds the
/// ids of the page by time. `None` for queries that [`bounded_filter`] or the function does not accept.
pub(super) fn by_time_index(query: &PageQuery<'_>) -> Option<PageStatement> {
    let filter = bounded_filter(query)?;
    let mut named: BTreeMap<&str, Vec<String>> = filter.named().into_iter().collect();
    if named.keys().any(|field| !FIELDS.contains(field)) {
        return None;
    }
    let mut params = Params::default();
    let mut time = |bound: Option<Ts>, open: &str| match bound {
        Some(bound) => params.add(Param::Time(bound.instant())),
        None => open.to_owned(),
    };
    let (since, until) = (time(query.since, "'-infinity'"), time(query.until, "'infinity'"));
    let before = match query.order {
        Order::NewestFirst { before: Some(before) } => before,
        Order::NewestFirst { before: None } | Order::OldestFirst { .. } => i64::MAX,
    };
    if let Some(pair) = StatusAndSource::of(filter) {
        named.extend([("status", pair.status), ("source", pair.source)]);
    }
    let mut arguments = vec![params.add(Param::Id(before)), params.add(Param::Id(rows_needed(query)))];
    arguments.extend(FIELDS.map(|field| params.add(Param::Accepted(named.remove(field)))));
    let page = whole_rows(&format!(
        "SELECT timed.id FROM {{schema}}.oasis_ids_between({since}, {until}, {arguments}) AS timed (id) \
         ORDER BY timed.id DESC {limit}",
        arguments = arguments.join(", "),
        limit = limit_and_offset(&mut params, query),
    ));
    Some(PageStatement::of(query, params, "", "", &page))
}

/// The filter of `query`, if the query selects rows of the ticker, newest first, with bounds on `ts`. `None`
/// for other queries.
fn bounded_filter<'a>(query: &PageQuery<'a>) -> Option<&'a Filter> {
    let filter = query.filter.filter(|filter| filter.channel.is_devhub())?;
    let newest = matches!(query.order, Order::NewestFirst { .. });
    (newest && (query.since.is_some() || query.until.is_some())).then_some(filter)
}
