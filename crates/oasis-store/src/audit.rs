//! Reads the audit log of the streams of casts, and sums it up.

use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::page::fields;
use crate::store::Store;

/// Selects rows of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only rows about this user.
    pub user: Option<String>,
    /// Only rows about this cast.
    pub cast: Option<String>,
    /// Only rows of this kind.
    pub kind: Option<String>,
    /// Only rows with lower ids.
    pub before: Option<i64>,
    /// The maximum number of rows.
    pub limit: i64,
}

/// The streams of casts of all users in a period.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditSummary {
    /// How many streams are open now, over all gateways.
    pub open_streams: i64,
    /// How many users have these streams.
    pub open_users: i64,
    /// How many streams have begun.
    pub opened: i64,
    /// How many users have opened these streams.
    pub opened_users: i64,
    /// How many requests were refused.
    pub refused: i64,
    /// The median duration of the streams that have ended, in milliseconds.
    pub median_ms: Option<f64>,
    /// The average duration of the streams that have ended, in milliseconds.
    pub average_ms: Option<f64>,
    /// Why streams have ended, and how many; the most frequent reason comes first. At most 20 reasons.
    pub reasons: Vec<(String, i64)>,
    /// Whether all rows of the period are counted. If not, only the newest rows are.
    pub is_whole: bool,
}

/// The maximum number of rows that a summary counts.
const MOST_SUMMED: i32 = 100_000;

impl Store {
    /// Sums up the audit log since `since`.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn audit_summary(&self, since: Timestamp) -> Result<AuditSummary, StoreError> {
        let sql = self.sql("SELECT * FROM {schema}.oasis_audit_summary($1, $2)");
        let params: [(&(dyn ToSql + Sync), Type); 2] =
            [(&since, Type::TIMESTAMPTZ), (&MOST_SUMMED, Type::INT4)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        // An aggregate has exactly one row.
        let Some(row) = rows.first() else { return Ok(AuditSummary::default()) };
        let reasons: Vec<String> = row.try_get("reasons")?;
        let ended: Vec<i64> = row.try_get("ended")?;
        Ok(AuditSummary {
            open_streams: row.try_get("open_streams")?,
            open_users: row.try_get("open_users")?,
            opened: row.try_get("opened")?,
            opened_users: row.try_get("opened_users")?,
            refused: row.try_get("refused")?,
            median_ms: row.try_get("median_ms")?,
            average_ms: row.try_get("average_ms")?,
            reasons: reasons.into_iter().zip(ended).collect(),
            is_whole: row.try_get("is_whole")?,
        })
    }

    /// Reads the newest rows of the audit log, newest first. Each row has its `meta`. A filter makes the
    /// statement read more rows than it returns.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = self.sql(&format!(
            "SELECT {}, e.meta::text AS meta FROM {{schema}}.oasis_events AS e \
             WHERE e.channel <> 'devhub' AND e.channel = 'audit' AND (e.id + 0) < $1 \
               AND ($3::text IS NULL OR e.meta ->> 'userId' = $3) \
               AND ($4::text IS NULL OR e.meta ->> 'castId' = $4) AND ($5::text IS NULL OR e.kind = $5) \
             ORDER BY (e.id + 0) DESC LIMIT $2",
            fields("e")
        ));
        let before = query.before.unwrap_or(i64::MAX);
        let params: [(&(dyn ToSql + Sync), Type); 5] = [
            (&before, Type::INT8),
            (&query.limit, Type::INT8),
            (&query.user, Type::TEXT),
            (&query.cast, Type::TEXT),
            (&query.kind, Type::TEXT),
        ];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        rows.iter().map(StoredEvent::from_row).collect()
    }
}
