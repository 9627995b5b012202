//! Looks up the task, the layer and the module of stored deploys, for the deploy-watcher.

use std::collections::HashMap;

use jiff::Timestamp;
use oasis_core::{Layer, Module, Task};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::StoreError;
use crate::store::Store;

/// The task, the layer and the module that the events of one operation have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// The task.
    pub task: Task,
    /// The layer. `UNSET` if it is not known.
    pub layer: Layer,
    /// The module.
    pub module: Module,
    /// The text that was given as the VTID but is not a VTID (`meta.vtid_given`).
    pub vtid_given: Option<String>,
}

/// Selects stored requests for a deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLookup {
    /// The start of the dedup keys of all requests for the service. It ends with a colon.
    pub key_prefix: String,
    /// The request is not older than this time.
    pub from: Timestamp,
    /// The request is not newer than this time.
    pub until: Timestamp,
    /// Whether a request with the id of an operation matches.
    pub with_operation: bool,
}

impl Attribution {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            task: Task::stored(row.try_get("vtid")?),
            layer: Layer::stored(row.try_get("layer")?),
            module: Module::stored(row.try_get("module")?),
            vtid_given: row.try_get("vtid_given")?,
        })
    }
}

impl Store {
    /// Looks up the stored events with the dedup keys `keys`. Returns the time and the attribution of each
    /// event by its key.
    ///
    /// # Errors
    /// When the database can't be reached or refuses the statement.
    pub async fn attributions(
        &self,
        keys: &[&str],
    ) -> Result<HashMap<String, (Timestamp, Attribution)>, StoreError> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = "SELECT dedup_key, ts, vtid, layer, module, meta ->> 'vtid_given' AS vtid_given \
                   FROM {schema}.oasis_events WHERE dedup_key = ANY($1)";
        self.read(async |client| {
            let rows = client.query_typed(&self.sql(sql), &[(&keys, Type::TEXT_ARRAY)]).await?;
            let found = |row: &Row| {
                Ok((row.try_get("dedup_key")?, (row.try_get("ts")?, Attribution::from_row(row)?)))
            };
            rows.iter().map(found).collect()
        })
        .await
    }

    /// For each of `lookups`, returns the newest stored request that matches, with its time.
    ///
    /// # Errors
    /// When the database can't be reached or refuses the statement.
    pub async fn newest_requests(
        &self,
        lookups: &[RequestLookup],
    ) -> Result<Vec<Option<(Timestamp, Attribution)>>, StoreError> {
        if lookups.is_empty() {
            return Ok(Vec::new());
        }
        let prefix: Vec<&str> = lookups.iter().map(|lookup| lookup.key_prefix.as_str()).collect();
        let from: Vec<Timestamp> = lookups.iter().map(|lookup| lookup.from).collect();
        let until: Vec<Timestamp> = lookups.iter().map(|lookup| lookup.until).collect();
        let with_operation: Vec<bool> = lookups.iter().map(|lookup| lookup.with_operation).collect();
        // The semicolon is the character after the colon. So a key has a prefix that ends with a colon if the
        // key is between the prefix and the same prefix with a semicolon. The requests of a service are read
        // once, however many lookups name the service.
        let sql = "WITH wanted AS (SELECT * FROM unnest($1, $2, $3, $4) WITH ORDINALITY \
                     AS w (prefix, since, until, with_operation, nth)), \
                   services AS (SELECT prefix, min(since) AS since, max(until) AS until \
                     FROM wanted GROUP BY prefix), \
                   requests AS MATERIALIZED ( \
                     SELECT prefix, ts, id, vtid, layer, module, meta ->> 'vtid_given' AS vtid_given, \
                       meta ? 'operation' AS has_operation \
                     FROM services JOIN {schema}.oasis_events \
                       ON dedup_key >= prefix AND dedup_key < left(prefix, -1) || ';' \
                       AND ts >= since AND ts <= until) \
                   SELECT DISTINCT ON (nth) requests.* FROM wanted LEFT JOIN requests \
                     ON requests.prefix = wanted.prefix AND ts >= wanted.since AND ts <= wanted.until \
                       AND (wanted.with_operation OR NOT has_operation) \
                   ORDER BY nth, ts DESC, id DESC";
        self.read(async |client| {
            let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
                (&prefix, Type::TEXT_ARRAY),
                (&from, Type::TIMESTAMPTZ_ARRAY),
                (&until, Type::TIMESTAMPTZ_ARRAY),
                (&with_operation, Type::BOOL_ARRAY),
            ];
            let rows = client.query_typed(&self.sql(sql), &params).await?;
            let found = |row: &Row| match row.try_get::<_, Option<Timestamp>>("ts")? {
                Some(at) => Ok(Some((at, Attribution::from_row(row)?))),
                None => Ok(None),
            };
            rows.iter().map(found).collect()
        })
        .await
    }
}
