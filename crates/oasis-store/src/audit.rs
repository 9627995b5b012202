//! Reads the audit log of the streams of casts.

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

impl Store {
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
