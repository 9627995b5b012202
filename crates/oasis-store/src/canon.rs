//! Counts the work that names its task, and the work that does not.

use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::store::Store;

/// A sort of work that should name its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Runs of GitHub workflows that have ended.
    Runs,
    /// Deploys that have ended.
    Deploys,
    /// Pings of agents, without those that only repeat the last one.
    Pings,
}

impl Work {
    const ALL: [Self; 3] = [Self::Runs, Self::Deploys, Self::Pings];

    /// The word in the answer of the statement.
    fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Deploys => "deploys",
            Self::Pings => "pings",
        }
    }
}

/// The work of one producer on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkOfDay {
    /// The sort of work.
    pub work: Work,
    /// The repository, the service or the agent; at most 200 characters.
    pub name: String,
    /// The day in UTC, as `YYYY-MM-DD`.
    pub day: String,
    /// How many runs, deploys or pings there were.
    pub total: i64,
    /// How many of them name no task.
    pub without_task: i64,
    /// The id of the newest event that names no task.
    pub newest: Option<i64>,
    /// Whether the rows of this sort of work reach back to the beginning of the period. If not, only the
    /// newest rows are counted.
    pub is_whole: bool,
}

/// The maximum number of rows that are counted of each sort of work.
const MOST_ROWS: i64 = 50_000;

impl Store {
    /// Counts the work since `since` by its sort, its producer and its day.
    ///
    /// Each part of the statement walks an index from the newest row back. Pings that only repeat the last
    /// one are not in the index of the third part.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn work_since(&self, since: Timestamp) -> Result<Vec<WorkOfDay>, StoreError> {
        let sql = self.sql(
            "WITH newest AS ( \
               (SELECT 'runs' AS work, coalesce(e.meta ->> 'repository', e.module) AS name, e.ts, \
                  e.recorded_at, e.vtid, e.id FROM {schema}.oasis_events AS e \
                WHERE e.channel = 'devhub' AND e.kind = 'workflow_run' \
                  AND e.status NOT IN ('queued', 'in_progress') ORDER BY (e.id + 0) DESC LIMIT $2) \
               UNION ALL \
               (SELECT 'deploys', coalesce(e.meta ->> 'service', e.module), e.ts, e.recorded_at, \
                  e.vtid, e.id FROM {schema}.oasis_events AS e \
                WHERE e.channel = 'devhub' AND e.kind = 'deploy' \
                  AND e.status NOT IN ('queued', 'in_progress') ORDER BY (e.id + 0) DESC LIMIT $2) \
               UNION ALL \
               (SELECT 'pings', coalesce(e.meta ->> 'agent', e.module), e.ts, e.recorded_at, e.vtid, e.id \
                FROM {schema}.oasis_events AS e WHERE e.channel = 'devhub' AND e.source = 'agent.ping' \
                  AND (e.meta -> 'repeat') IS DISTINCT FROM 'true'::jsonb AND e.kind = 'ping' \
                ORDER BY (e.id + 0) DESC LIMIT $2)), \
             whole AS (SELECT n.work, count(*) < $2 OR min(n.recorded_at) < $1 AS is_whole \
               FROM newest AS n GROUP BY 1) \
             SELECT n.work, left(n.name, 200) AS name, \
               to_char(n.ts AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, count(*) AS total, \
               count(*) FILTER (WHERE n.vtid IN ('UNSET', 'IDLE')) AS without_task, \
               max(n.id) FILTER (WHERE n.vtid IN ('UNSET', 'IDLE')) AS newest, w.is_whole \
             FROM newest AS n JOIN whole AS w USING (work) WHERE n.ts >= $1 \
             GROUP BY 1, 2, 3, w.is_whole ORDER BY 1, 2, 3",
        );
        let params: [(&(dyn ToSql + Sync), Type); 2] =
            [(&since, Type::TIMESTAMPTZ), (&MOST_ROWS, Type::INT8)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let name: &str = row.try_get("work")?;
            // The statement has no other words.
            let Some(work) = Work::ALL.into_iter().find(|work| work.name() == name) else { continue };
            found.push(WorkOfDay {
                work,
                name: row.try_get("name")?,
                day: row.try_get("day")?,
                total: row.try_get("total")?,
                without_task: row.try_get("without_task")?,
                newest: row.try_get("newest")?,
                is_whole: row.try_get("is_whole")?,
            });
        }
        Ok(found)
    }
}
