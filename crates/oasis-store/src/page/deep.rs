//! Reads pages after a large offset. A first statement scans the newest rows along the index on the id, and
//! skips those that pass the filter. If these rows do not complete the page, the rows that pass are rare, and
//! the usual statement finds them faster.

use super::param::{Param, Params};
use super::query::{Order, PageQuery};
use super::statement::{PageStatement, limit_and_offset, rows_needed};
use super::walk::IndexWalk;

/// A smaller offset is read with the usual statement.
const DEEP: i64 = 1_000;
/// So are the rows of few combinations of leading values (see `walk.rs`), which the usual statement reads for
/// each combination separately.
const MANY: i64 = 8;
/// The first statement scans this many rows for each row that it needs, plus [`MORE_ROWS`].
const ROWS_FOR_ONE: i64 = 4;
const MORE_ROWS: i64 = 10_000;

/// The statement that looks for the page among the newest rows. The column `settled` of the result says
/// whether the page is complete. `None` if the offset is small, or if the filter names few values.
pub(super) fn among_newest(query: &PageQuery<'_>) -> Option<PageStatement> {
    let filter = query.filter.filter(|filter| filter.channel.is_devhub() && !filter.is_open())?;
    let is_plain = query.since.is_none() && query.until.is_none() && query.most_bytes.is_none();
    if query.offset < DEEP || !is_plain || !matches!(query.order, Order::NewestFirst { .. }) {
        return None;
    }
    if IndexWalk::of(query, &mut Params::default()).combinations() < MANY {
        return None;
    }
    let mut params = Params::default();
    let mut conditions = vec!["true".to_owned()];
    let mut columns = vec!["e.id".to_owned()];
    for (field, accepted) in filter.named() {
        let values = params.add(Param::Texts(accepted));
        columns.push(format!("e.{field}"));
        conditions.push(format!("found.{field} = ANY({values})"));
    }
    let needed = rows_needed(query);
    let scanned = params.add(Param::Id(needed.saturating_mul(ROWS_FOR_ONE).saturating_add(MORE_ROWS)));
    let found = IndexWalk::along_the_ticker(query, &mut params).sql(&columns.join(", "), &scanned);
    let limit = limit_and_offset(&mut params, query);
    let needed = params.add(Param::Id(needed));
    let with = format!(
        "WITH newest_rows AS MATERIALIZED ( \
           SELECT found.id, ({conditions}) IS TRUE AS passes FROM {found}), \
         settled AS MATERIALIZED ( \
           SELECT count(*) < {scanned} OR count(*) FILTER (WHERE passes) >= {needed} AS settled \
           FROM newest_rows) ",
        conditions = conditions.join(" AND "),
    );
    Some(PageStatement::if_settled(query, params, &with, "passes", &limit))
}
