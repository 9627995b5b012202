//! Pages of the ticker with bounds on `ts`, which is the producer's time and in no order: first a look at
//! the newest rows, then, if that did not settle the page, the index on `ts`.

use std::collections::BTreeMap;

use oasis_core::Ts;

use super::param::{Param, Params};
use super::query::{Order, PageQuery};
use super::statement::{Statement, bounds, fields, reach, span};
use super::walk::{Pair, Walk};
use crate::filter::Filter;

/// Rows that are looked at, newest first, before the bounds are given an index of their own.
const NEAR: i64 = 1_000;

/// The fields of a filter that `oasis_ids_between` takes, in its order.
const FIELDS: [&str; 6] = ["vtid", "status", "source", "kind", "module", "layer"];

/// The statement that settles a page if a walk over the newest of the rows that it asks for but for the
/// bounds does, as it does for values that are rare and for times near the head. `None` for pages of other
/// forms. It tells whether it did as `settled`.
pub(super) fn near(query: &PageQuery<'_>) -> Option<Statement> {
    bounded(query)?;
    let mut params = Params::default();
    let walk = Walk::of(query, &mut params);
    let reach = reach(query);
    let budget = params.add(Param::Id(reach.max(NEAR / walk.lists())));
    let found = walk.sql("e.id, e.ts", &budget);
    let bounds = bounds(&mut params, query, "near.ts").unwrap_or_default();
    let span = span(&mut params, query);
    let reach = params.add(Param::Id(reach));
    let with = format!(
        "WITH near AS MATERIALIZED (SELECT found.* FROM {found} ORDER BY found.id DESC LIMIT {budget}), \
         settled AS MATERIALIZED ( \
           SELECT count(*) < {budget} OR count(*) FILTER (WHERE {bounds}) >= {reach} AS settled FROM near) "
    );
    let page = format!(
        "SELECT {fields}, e.meta FROM ( \
           SELECT near.id FROM near WHERE {bounds} ORDER BY near.id DESC {span} \
         ) AS hit JOIN public.oasis_events AS e ON e.id = hit.id WHERE (SELECT settled FROM settled)",
        fields = fields("e"),
    );
    Some(Statement::of(query, params, &with, ", (SELECT settled FROM settled) AS settled", &page))
}

/// The statement of a page however far back: the function finds its ids by time. `None` for pages of other
/// forms.
pub(super) fn far(query: &PageQuery<'_>) -> Option<Statement> {
    let filter = bounded(query)?;
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
    if let Some(pair) = Pair::of(filter) {
        named.extend([("status", pair.status), ("source", pair.source)]);
    }
    let mut taken = vec![params.add(Param::Id(before)), params.add(Param::Id(reach(query)))];
    taken.extend(FIELDS.map(|field| params.add(Param::Accepted(named.remove(field)))));
    let page = format!(
        "SELECT {fields}, e.meta FROM ( \
           SELECT timed.id FROM public.oasis_ids_between({since}, {until}, {taken}) AS timed (id) \
           ORDER BY timed.id DESC {span} \
         ) AS hit JOIN public.oasis_events AS e ON e.id = hit.id",
        fields = fields("e"),
        taken = taken.join(", "),
        span = span(&mut params, query),
    );
    Some(Statement::of(query, params, "", "", &page))
}

/// The filter of a page with bounds on `ts`, newest first, of the ticker.
fn bounded<'a>(query: &PageQuery<'a>) -> Option<&'a Filter> {
    let filter = query.filter.filter(|filter| filter.channel.is_devhub())?;
    let newest = matches!(query.order, Order::NewestFirst { .. });
    (newest && (query.since.is_some() || query.until.is_some())).then_some(filter)
}
