//! Reads pages of the log of a room: one page for each request, with filters.

use oasis_core::room::{AgentType, LogLevel, RoomId, kinds};
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::page::fields;
use crate::store::Store;

/// Selects lines of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineQuery {
    /// The room.
    pub room: RoomId,
    /// Where the page begins.
    pub bound: LineBound,
    /// The maximum number of lines.
    pub limit: i64,
    /// Only lines of these levels. An empty list accepts any level.
    pub levels: Vec<LogLevel>,
    /// Only lines of these types of agents. An empty list accepts any type.
    pub agent_types: Vec<AgentType>,
    /// Only lines whose message contains this text, regardless of case.
    pub contains: Option<String>,
}

/// Where a page of lines begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineBound {
    /// The newest lines.
    Newest,
    /// The newest lines with ids below this one.
    Before(i64),
    /// The oldest lines with ids above this one.
    After(i64),
}

/// A page of lines.
#[derive(Debug, Clone, PartialEq)]
pub struct LinePage {
    /// The lines with their `meta`, oldest first.
    pub lines: Vec<StoredEvent>,
    /// Where the next page in the same direction begins: the id for [`LineBound::Before`], or for
    /// [`LineBound::After`] if this page had an `After`. If the page read no row, this is its own bound, or
    /// `i64::MAX` for [`LineBound::Newest`].
    pub cursor: i64,
    /// Whether there may be more lines in the same direction. This may be true even if the page has fewer
    /// lines than its limit, because one page reads at most 10,000 rows.
    pub more: bool,
}

impl LineQuery {
    /// A query for the newest lines of a room, whatever they contain.
    pub fn newest(room: RoomId, limit: i64) -> Self {
        let (levels, agent_types) = (Vec::new(), Vec::new());
        Self { room, bound: LineBound::Newest, limit, levels, agent_types, contains: None }
    }
}

/// The maximum number of rows that one page reads.
const MOST_ROWS: i64 = 10_000;
/// How many more rows than its limit a page without filters reads. Some of the rows are not lines, but change
/// the state of the room.
const OTHER_ROWS: i64 = 100;

impl Store {
    /// Reads one page of the log of a room.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn room_lines(&self, query: &LineQuery) -> Result<LinePage, StoreError> {
        let (comparison, direction, start) = match query.bound {
            LineBound::Newest => ("<", "DESC", i64::MAX),
            LineBound::Before(before) => ("<", "DESC", before),
            LineBound::After(after) => (">", "ASC", after),
        };
        let has_filters =
            !query.levels.is_empty() || !query.agent_types.is_empty() || query.contains.is_some();
        let limit = query.limit.max(0).saturating_add(1);
        let most_rows = if has_filters { MOST_ROWS } else { limit.saturating_add(OTHER_ROWS).min(MOST_ROWS) };
        // The last row that the page reads is returned too, even if the row does not pass the filters.
        // `place` is the expression of the index. Because the rows are already in this order, PostgreSQL does
        // not sort them again, and stops when it has enough lines.
        let sql = self.sql(&format!(
            "SELECT {fields}, page.meta::text AS meta, page.passes, page.nth = {most_rows} AS is_last FROM ( \
               SELECT e.*, (e.id + 0) AS place, row_number() OVER (ORDER BY (e.id + 0) {direction}) AS nth, \
                 e.kind = '{log}' AND coalesce(e.meta ->> 'level' = ANY($3), $3 IS NULL) \
                   AND coalesce(e.meta ->> 'agentType' = ANY($4), $4 IS NULL) \
                   AND coalesce(strpos(lower(e.meta ->> 'message'), lower($5)) > 0, $5 IS NULL) AS passes \
               FROM {{schema}}.oasis_events AS e \
               WHERE e.channel <> 'devhub' AND e.channel = $1 AND (e.id + 0) {comparison} $2 \
               ORDER BY (e.id + 0) {direction} LIMIT {most_rows}) AS page \
             WHERE page.passes OR page.nth = {most_rows} ORDER BY page.place {direction} LIMIT $6",
            fields = fields("page"),
            log = kinds::LOG,
        ));
        let channel = query.room.channel().as_str();
        let levels = some(query.levels.iter().map(|level| level.as_str()).collect());
        let agents = some(query.agent_types.iter().map(AgentType::as_str).collect());
        let params: [(&(dyn ToSql + Sync), Type); 6] = [
            (&channel, Type::TEXT),
            (&start, Type::INT8),
            (&levels, Type::TEXT_ARRAY),
            (&agents, Type::TEXT_ARRAY),
            (&query.contains, Type::TEXT),
            (&limit, Type::INT8),
        ];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;

        let most = usize::try_from(query.limit).unwrap_or_default();
        let mut page = LinePage { lines: Vec::new(), cursor: start, more: rows.len() > most };
        for row in rows.iter().take(most) {
            page.cursor = row.try_get("id")?;
            // The page has read its maximum number of rows.
            page.more |= row.try_get::<_, bool>("is_last")?;
            if row.try_get("passes")? {
                page.lines.push(StoredEvent::from_row(row)?);
            }
        }
        if let LineBound::Newest | LineBound::Before(_) = query.bound {
            page.lines.reverse();
        }
        Ok(page)
    }
}

/// The values that a filter accepts. An empty list accepts any value.
fn some(values: Vec<&str>) -> Option<Vec<&str>> {
    (!values.is_empty()).then_some(values)
}
