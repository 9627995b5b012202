//! Reads resource events: the ids that an event lacks, and the events of a task.

use oasis_core::resource::{Place, RESOURCES};
use oasis_core::{Task, Vtid};
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::page::fields;
use crate::store::Store;

/// The wider places of a workload or a project, as far as the table knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WiderPlaces {
    /// The project of a workload. Always `None` for a project.
    pub project: Option<String>,
    /// The cluster.
    pub cluster: Option<String>,
}

/// The SQL condition that selects the rows of a place. It has the form that the index of the place needs.
/// `value` is the SQL expression of the id.
pub(crate) fn of_place(place: Place, value: &str) -> String {
    let name = place.as_str();
    format!(
        "e.channel = '{RESOURCES}' AND octet_length(e.meta ->> '{name}') <= 128 \
         AND e.meta ->> '{name}' = {value}"
    )
}

impl Store {
    /// For each workload or project, reads the wider places that its last events named. The cluster of a
    /// workload counts only if no later event of the workload named a project, because the workload may have
    /// moved. The results have the order of `ids`.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn wider_places(&self, place: Place, ids: &[&str]) -> Result<Vec<WiderPlaces>, StoreError> {
        let last = |wider: Place| {
            let (wider, of_place) = (wider.as_str(), of_place(place, "one.id"));
            format!(
                "SELECT e.id, e.meta ->> '{wider}' AS name FROM {{schema}}.oasis_events AS e \
                 WHERE {of_place} AND jsonb_typeof(e.meta -> '{wider}') = 'string' \
                 ORDER BY (e.id + 0) DESC LIMIT 1"
            )
        };
        let project = match place {
            Place::Workload => last(Place::Project),
            Place::Project | Place::Cluster => "SELECT 0 AS id, NULL::text AS name".to_owned(),
        };
        let sql = self.sql(&format!(
            "SELECT project.name AS project, \
               CASE WHEN cluster.id >= coalesce(project.id, 0) THEN cluster.name END AS cluster \
             FROM unnest($1) WITH ORDINALITY AS one (id, nth) \
               LEFT JOIN LATERAL ({project}) AS project ON true \
               LEFT JOIN LATERAL ({}) AS cluster ON true \
             ORDER BY one.nth",
            last(Place::Cluster)
        ));
        let params: [(&(dyn ToSql + Sync), Type); 1] = [(&ids, Type::TEXT_ARRAY)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let wider = |row: &tokio_postgres::Row| -> Result<WiderPlaces, StoreError> {
            Ok(WiderPlaces { project: row.try_get("project")?, cluster: row.try_get("cluster")? })
        };
        rows.iter().map(wider).collect()
    }

    /// The last resource events of a task, newest first, at most `most`.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn resource_events(&self, vtid: &Vtid, most: i64) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = self.sql(&format!(
            "SELECT {}, e.meta::text AS meta FROM {{schema}}.oasis_events AS e \
             WHERE e.channel = '{RESOURCES}' AND e.vtid NOT IN ('UNSET', 'IDLE') AND e.vtid = $1 \
             ORDER BY (e.id + 0) DESC LIMIT $2",
            fields("e")
        ));
        let task = Task::Vtid(vtid.clone());
        let params: [(&(dyn ToSql + Sync), Type); 2] = [(&task.as_str(), Type::TEXT), (&most, Type::INT8)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        rows.iter().map(StoredEvent::from_row).collect()
    }
}
