//! The SQL of a page.

use super::param::{Param, Params};
use super::query::{Columns, PageQuery};
use super::walk::{Walk, direction};
use crate::event::COLUMNS;

/// How far the table goes, in one row. As a subquery the state is one row to the planner; as a table it
/// would be thousands, and such a plan be compiled (JIT) for longer than it runs.
const STATE: &str = "( \
    SELECT coalesce((SELECT pruned_through FROM public.oasis_feed_state), 0) AS pruned_through, \
      coalesce((SELECT families::text FROM public.oasis_feed_state), '{}') AS families, \
      coalesce((SELECT max(id) FROM public.oasis_events), 0) AS newest) AS state";

/// One statement that reads a page. Its first row is the state of the table, the others are the events of
/// the page, one more than was asked for if there are as many.
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) params: Params,
}

impl Statement {
    /// One field leads: the first of those with an index that the filter names. For each of its values the
    /// newest (or oldest) matching rows are taken from that index in id order, which is fast however rare a
    /// value is, and the few candidates are merged. Everything else in the filter is a condition on the
    /// rows met on the way.
    pub(crate) fn by_id(query: &PageQuery<'_>) -> Self {
        let mut params = Params::default();
        let mut walk = Walk::of(query, &mut params);
        if let Some(bounds) = bounds(&mut params, query, "e.ts") {
            walk.conditions.push(bounds);
        }
        let reach = params.add(Param::Id(reach(query)));
        let found = walk.sql(&format!("{}, e.meta", fields("e")), &reach);
        let (bound, direction) = (&walk.bound, direction(query.order));
        let span = span(&mut params, query);
        let page = format!("SELECT found.* FROM {found} WHERE {bound} ORDER BY found.id {direction} {span}");
        Self::of(query, params, "", "", &page)
    }

    /// Puts the rows that `page` selects behind the state of the table. `meta` becomes text out here, where
    /// the rows that an offset passes over are gone. `with` goes before it all, `more` is added to what is
    /// selected.
    pub(super) fn of(query: &PageQuery<'_>, params: Params, with: &str, more: &str, page: &str) -> Self {
        let meta = match query.columns {
            Columns::Ticker => "NULL::text",
            Columns::WithMeta => "page.meta::text",
            Columns::Tail => {
                "CASE WHEN page.channel <> 'devhub' OR page.source = 'agent.ping' \
                   OR page.kind = 'workflow_run' THEN page.meta::text END"
            }
        };
        let direction = direction(query.order);
        let page = match query.most_bytes {
            None => format!(
                "SELECT {}, {meta} AS meta, NULL::int8 AS found FROM ({page}) AS page",
                fields("page")
            ),
            // OFFSET 0 is a fence: meta becomes text once.
            Some(most) => format!(
                "SELECT cut.* FROM ( \
                   SELECT sized.*, count(*) OVER () AS found, sum({size}) OVER ( \
                     ORDER BY sized.id {direction} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) \
                     AS before \
                   FROM (SELECT {fields}, {meta} AS meta FROM ({page}) AS page OFFSET 0) AS sized \
                 ) AS cut WHERE cut.before IS NULL OR cut.before <= {most}",
                size = "octet_length(coalesce(sized.meta, '')) + octet_length(coalesce(sized.link, ''))",
                fields = fields("page"),
            ),
        };
        let sql = format!(
            "{with}SELECT {}, page.meta, page.found, \
               state.pruned_through, state.families, state.newest{more} \
             FROM {STATE} FULL JOIN ({page}) AS page ON false ORDER BY page.id {direction} NULLS FIRST",
            fields("page"),
        );
        Self { sql, params }
    }
}

/// The columns of an event, those of `table`.
pub(crate) fn fields(table: &str) -> String {
    COLUMNS.map(|field| format!("{table}.{field}")).join(", ")
}

/// Bounds on `ts`, as a condition on the column `ts`.
pub(super) fn bounds(params: &mut Params, query: &PageQuery<'_>, ts: &str) -> Option<String> {
    let mut bounds = Vec::new();
    for (operator, bound) in [(">=", query.since), ("<=", query.until)] {
        if let Some(bound) = bound {
            let bound = params.add(Param::Time(bound.instant()));
            bounds.push(format!("{ts} {operator} {bound}"));
        }
    }
    (!bounds.is_empty()).then(|| bounds.join(" AND "))
}

/// How many rows a page is made of: those that an offset passes over, those that were asked for, and one
/// that tells whether more follow.
pub(super) fn reach(query: &PageQuery<'_>) -> i64 {
    query.offset.saturating_add(query.limit).saturating_add(1)
}

/// The page's span of the rows in [`reach`].
pub(super) fn span(params: &mut Params, query: &PageQuery<'_>) -> String {
    let limit = params.add(Param::Id(query.limit.saturating_add(1)));
    format!("LIMIT {limit} OFFSET {}", params.add(Param::Id(query.offset)))
}
