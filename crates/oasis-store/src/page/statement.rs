//! [`PageStatement`]: the SQL that reads a page.

use super::param::{Param, Params};
use super::query::{Columns, PageQuery};
use super::walk::{IndexWalk, direction};
use crate::event::COLUMNS;

/// The state of the table, in one row. The planner expects one row from this subquery. If `oasis_feed_state`
/// were joined as a table, the planner would expect thousands of rows and compile the statement (JIT). The
/// compilation takes longer than the execution of the statement.
pub(crate) const STATE: &str = "( \
    SELECT coalesce((SELECT pruned_through FROM {schema}.oasis_feed_state), 0) AS pruned_through, \
      coalesce((SELECT families::text FROM {schema}.oasis_feed_state), '{}') AS families, \
      coalesce((SELECT max(id) FROM {schema}.oasis_events), 0) AS newest) AS state";

/// A statement that reads a page. Each row of the result is an event of the page and has the state of the
/// table. If the page has no events, the result is one row with the state alone. If more rows follow in the
/// table, the result may end with one more event, which is not part of the page.
pub(crate) struct PageStatement {
    /// The SQL, before it is rendered for a schema.
    pub(crate) sql: String,
    pub(crate) params: Params,
}

impl PageStatement {
    /// The statement of a page in id order. The first field that the filter names is the leading field. For
    /// each value of the leading field, the statement reads the newest (or oldest) matching rows from the
    /// index on that field. This is fast even if the value is rare. The statement then merges the rows of all
    /// values. The other fields of the filter are conditions on the rows that are read.
    pub(crate) fn by_id(query: &PageQuery<'_>) -> Self {
        let mut params = Params::default();
        let mut walk = IndexWalk::of(query, &mut params);
        if let Some(bounds) = time_bounds(&mut params, query, "e.ts") {
            walk.conditions.push(bounds);
        }
        let needed = params.add(Param::Id(rows_needed(query)));
        let (bound, direction) = (&walk.bound, direction(query.order));
        let limit = limit_and_offset(&mut params, query);
        let page = if query.offset == 0 {
            let found = walk.sql(&format!("{}, e.meta", fields("e")), &needed);
            format!("SELECT found.* FROM {found} WHERE {bound} ORDER BY found.place {direction} {limit}")
        } else {
            // Only the rows of the page are read whole, and not the rows that the offset skips.
            let found = walk.sql("e.id", &needed);
            whole_rows(&format!(
                "SELECT found.id FROM {found} WHERE {bound} ORDER BY found.place {direction} {limit}"
            ))
        };
        Self::of(query, params, "", "", &page)
    }

    /// A statement that looks for the page in the rows of `newest_rows` that pass a condition. `with` defines
    /// `newest_rows`, and `settled`, which says whether these rows complete the page. The column `settled` of
    /// the result has the same value.
    pub(super) fn if_settled(
        query: &PageQuery<'_>,
        params: Params,
        with: &str,
        passes: &str,
        limit: &str,
    ) -> Self {
        let ids = format!(
            "SELECT newest_rows.id FROM newest_rows WHERE {passes} ORDER BY newest_rows.id DESC {limit}"
        );
        let page = format!("{} WHERE (SELECT settled FROM settled)", whole_rows(&ids));
        Self::of(query, params, with, ", (SELECT settled FROM settled) AS settled", &page)
    }

    /// The statement that returns the rows that `page` selects, each with the state of the table. `meta` is
    /// converted to text only here, after `page` has removed the rows that an offset skips. `with` is placed
    /// before the statement, and `more` is added to the selected columns.
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
            // OFFSET 0 keeps the planner from merging the subqueries, so `meta` is converted to text only
            // once.
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
             FROM {STATE} LEFT JOIN ({page}) AS page ON true ORDER BY page.id {direction}",
            fields("page"),
        );
        Self { sql, params }
    }
}

/// The columns of an event, qualified with `table`.
pub(crate) fn fields(table: &str) -> String {
    COLUMNS.map(|field| format!("{table}.{field}")).join(", ")
}

/// SQL that selects the whole rows with the ids that `ids` selects.
pub(super) fn whole_rows(ids: &str) -> String {
    let fields = fields("e");
    format!("SELECT {fields}, e.meta FROM ({ids}) AS hit JOIN {{schema}}.oasis_events AS e ON e.id = hit.id")
}

/// The bounds of `query` on time, as a condition on the column `ts`. `None` if the query has no such bounds.
pub(super) fn time_bounds(params: &mut Params, query: &PageQuery<'_>, ts: &str) -> Option<String> {
    let mut bounds = Vec::new();
    for (operator, bound) in [(">=", query.since), ("<=", query.until)] {
        if let Some(bound) = bound {
            let bound = params.add(Param::Time(bound.instant()));
            bounds.push(format!("{ts} {operator} {bound}"));
        }
    }
    (!bounds.is_empty()).then(|| bounds.join(" AND "))
}

/// How many rows the statement of a page must find: the rows that an offset skips, the rows of the page, and
/// one row that shows whether more rows follow.
pub(super) fn rows_needed(query: &PageQuery<'_>) -> i64 {
    query.offset.saturating_add(query.limit).saturating_add(1)
}

/// The LIMIT and OFFSET of a page. The limit includes the row that shows whether more rows follow.
pub(super) fn limit_and_offset(params: &mut Params, query: &PageQuery<'_>) -> String {
    let limit = params.add(Param::Id(query.limit.saturating_add(1)));
    format!("LIMIT {limit} OFFSET {}", params.add(Param::Id(query.offset)))
}
