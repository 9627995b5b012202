//! Reads resource events: the ids that an event lacks, and the events of a task.

use std::collections::HashMap;

use oasis_core::resource::{Place, RESOURCES, ResourceId};
use oasis_core::{Task, Vtid};
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::page::fields;
use crate::store::Store;

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

/// What the last events of some workloads and projects named, by the ids of these workloads and projects.
#[derive(Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say what the maps hold")]
pub struct KnownPlaces {
    pub workloads: HashMap<String, WiderPlaces>,
    pub projects: HashMap<String, WiderPlaces>,
}

impl Store {
    /// Reads the wider places that the last events of each workload and of each project named. The projects
    /// of the workloads are read, too. The cluster of a workload counts only if no later event of the
    /// workload named a project, because the workload may have moved.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn wider_places(
        &self,
        workloads: &[&str],
        projects: &[&str],
    ) -> Result<KnownPlaces, StoreError> {
        let sql = self.sql("SELECT * FROM {schema}.oasis_wider_places($1, $2)");
        let params: [(&(dyn ToSql + Sync), Type); 2] =
            [(&workloads, Type::TEXT_ARRAY), (&projects, Type::TEXT_ARRAY)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut known = KnownPlaces::default();
        for row in &rows {
            // A program could have written any text with SQL.
            let id = |nth| -> Result<Option<String>, StoreError> {
                let text: Option<String> = row.try_get(nth)?;
                Ok(text.filter(|text| ResourceId::parse(text).is_ok()))
            };
            let at = |nth| -> Result<i64, StoreError> {
                Ok(row.try_get::<_, Option<i64>>(nth)?.unwrap_or_default())
            };
            let is_workload: bool = row.try_get(0)?;
            let (project, project_at) = if is_workload { (id(2)?, at(3)?) } else { (None, 0) };
            let cluster_at = at(5)?;
            let cluster = id(4)?.filter(|_| cluster_at >= project_at);
            let cluster_at = if cluster.is_some() { cluster_at } else { 0 };
            if let Some(place) = id(1)? {
                let map = if is_workload { &mut known.workloads } else { &mut known.projects };
                map.insert(place, WiderPlaces { project, cluster, cluster_at });
            }
        }
        Ok(known)
    }

    /// The last resource events of a task with ids below `before`, newest first, at most `most`.
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
