//! Reads resource events: the ids that an event lacks, and the events of a task.

use oasis_core::resource::{Place, RESOURCES, ResourceId};
use oasis_core::{Task, Vtid};
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::page::fields;
use crate::store::Store;

/// How many of the last events of a place are read to find its wider places. Almost always, the last event
/// has them. Without a limit, all events of a place that never names a cluster would be read.
const LAST_EVENTS: i64 = 64;

/// The wider places of a workload or a project, as its last events named them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WiderPlaces {
    /// The project of a workload. Always `None` for a project.
    pub project: Option<String>,
    /// The cluster.
    pub cluster: Option<String>,
    /// The id of the event that named the cluster; 0 if there is no cluster.
    pub cluster_at: i64,
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
        let text = |wider: &str| {
            format!(
                "CASE WHEN jsonb_typeof(e.meta -> '{wider}') = 'string' THEN e.meta ->> '{wider}' END \
                 AS {wider}"
            )
        };
        let newest = |wider: &str| {
            format!(
                "(array_agg(last.{wider} ORDER BY last.id DESC) FILTER (WHERE last.{wider} IS NOT NULL))[1], \
                 max(last.id) FILTER (WHERE last.{wider} IS NOT NULL)"
            )
        };
        let sql = self.sql(&format!(
            "SELECT found.* FROM unnest($1) WITH ORDINALITY AS one (id, nth) CROSS JOIN LATERAL ( \
               SELECT {}, {} FROM (SELECT e.id, {}, {} FROM {{schema}}.oasis_events AS e WHERE {} \
                 ORDER BY (e.id + 0) DESC LIMIT {LAST_EVENTS}) AS last \
             ) AS found (project, project_at, cluster, cluster_at) ORDER BY one.nth",
            newest("project_id"),
            newest("cluster_id"),
            text("project_id"),
            text("cluster_id"),
            of_place(place, "one.id"),
        ));
        let params: [(&(dyn ToSql + Sync), Type); 1] = [(&ids, Type::TEXT_ARRAY)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let wider = |row: &tokio_postgres::Row| -> Result<WiderPlaces, StoreError> {
            // A program could have written any text with SQL.
            let id = |name| -> Result<Option<String>, StoreError> {
                let text: Option<String> = row.try_get(name)?;
                Ok(text.filter(|text| ResourceId::parse(text).is_ok()))
            };
            let at = |name| -> Result<i64, StoreError> {
                Ok(row.try_get::<_, Option<i64>>(name)?.unwrap_or_default())
            };
            let (project_at, cluster_at) = match place {
                Place::Workload => (at("project_at")?, at("cluster_at")?),
                Place::Project | Place::Cluster => (0, at("cluster_at")?),
            };
            let project = if place == Place::Workload { id("project")? } else { None };
            let cluster = id("cluster")?.filter(|_| cluster_at >= project_at);
            let cluster_at = if cluster.is_some() { cluster_at } else { 0 };
            Ok(WiderPlaces { project, cluster, cluster_at })
        };
        rows.iter().map(wider).collect()
    }

    /// The last resource events of a task, with ids below `before`,
    /// newest first, at most `most`.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn resource_events(
        &self,
        vtid: &Vtid,
        before: i64,
        most: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = self.sql(&format!(
            "SELECT {}, e.meta::text AS meta FROM {{schema}}.oasis_events AS e \
             WHERE e.channel = '{RESOURCES}' AND e.vtid NOT IN ('UNSET', 'IDLE') AND e.vtid = $1 \
               AND (e.id + 0) < $2 ORDER BY (e.id + 0) DESC LIMIT $3",
            fields("e")
        ));
        let task = Task::Vtid(vtid.clone());
        let params: [(&(dyn ToSql + Sync), Type); 3] =
            [(&task.as_str(), Type::TEXT), (&before, Type::INT8), (&most, Type::INT8)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        rows.iter().map(StoredEvent::from_row).collect()
    }
}
