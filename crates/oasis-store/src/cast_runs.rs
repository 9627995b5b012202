//! Reads casts together with the deliveries of their workflow runs.

use jiff::Timestamp;
use oasis_core::cast::CASTS;
use oasis_core::{CastState, Channel, Meta, RunRow, Ts};
use tokio_postgres::types::{ToSql, Type};

use crate::casts::IS_CAST;
use crate::channels::{ChannelState, columns};
use crate::error::StoreError;
use crate::marks::HEAD;
use crate::store::Store;

/// The maximum number of deliveries that are read for a cast. A run has about three for each attempt.
const MOST_RUNS: i64 = 200;

/// Selects casts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectCasts {
    /// The casts whose runs these rows are about, or which these rows name. The ids are those of deliveries.
    OfDeliveries(Vec<i64>),
    /// These casts.
    Named(Vec<Channel>),
    /// The casts that have not ended and that a run may drive, in the order of their channels.
    Unfinished {
        /// Only channels after this one. `None` for the first page.
        after: Option<Channel>,
        /// The maximum number of casts.
        most: i64,
    },
}

/// Casts with their runs, which were read in one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct CastsWithRuns {
    /// The casts. Casts that do not exist are left out.
    pub casts: Vec<CastWithRuns>,
    /// The highest id that is known to have been in the table at the time.
    pub head: i64,
    /// Whether the table has any cast.
    pub has_casts: bool,
}

/// A cast with the deliveries of its run. If it has no run yet, with the deliveries whose titles name it.
#[derive(Debug, Clone, PartialEq)]
pub struct CastWithRuns {
    /// The cast.
    pub cast: ChannelState<CastState>,
    /// The id, the time and the `meta` of each delivery, in any order.
    pub runs: Vec<(i64, Ts, Meta)>,
}

impl CastWithRuns {
    /// The deliveries.
    pub fn rows(&self) -> Vec<RunRow<'_>> {
        self.runs.iter().map(|(id, ts, meta)| RunRow { id: *id, ts: *ts, meta: meta.as_map() }).collect()
    }
}

/// The SQL condition that selects deliveries, in the form that their indexes need. Only webhook-ingest, which
/// checks signatures, stores rows with this dedup key.
const IS_DELIVERY: &str = "e.channel = 'devhub' AND e.kind = 'workflow_run' \
    AND starts_with(e.dedup_key, 'github:workflow_run:')";
const HAS_RUN: &str = "octet_length(e.meta ->> 'run_id') <= 64 AND e.meta ->> 'run_id'";
const NAMES_CAST: &str = "octet_length(e.meta ->> 'cast') <= 128 AND e.meta ->> 'cast'";

impl Store {
    /// Reads casts together with the deliveries of their runs.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn casts_with_runs(&self, select: &SelectCasts) -> Result<CastsWithRuns, StoreError> {
        let sql = self.sql(&statement(select));
        let names: Vec<&str>;
        let after: &str;
        let params: Vec<(&(dyn ToSql + Sync), Type)> = match select {
            SelectCasts::OfDeliveries(ids) => vec![(ids, Type::INT8_ARRAY)],
            SelectCasts::Named(channels) => {
                names = channels.iter().map(Channel::as_str).collect();
                vec![(&names, Type::TEXT_ARRAY)]
            }
            SelectCasts::Unfinished { after: last, most } => {
                after = last.as_ref().map_or("", Channel::as_str);
                vec![(&after, Type::TEXT), (most, Type::INT8)]
            }
        };
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut found = CastsWithRuns { casts: Vec::new(), head: 0, has_casts: false };
        for row in &rows {
            found.head = row.try_get("head")?;
            found.has_casts = row.try_get("has_casts")?;
            let Some(channel) = row.try_get::<_, Option<&str>>("channel")? else { continue };
            if found.casts.last().is_none_or(|last| last.cast.channel.as_str() != channel) {
                found.casts.push(CastWithRuns { cast: ChannelState::from_row(row)?, runs: Vec::new() });
            }
            if let (Some(id), Some(last)) = (row.try_get("run_row")?, found.casts.last_mut()) {
                let ts = Ts::clamped(row.try_get::<_, Timestamp>("run_ts")?);
                last.runs.push((id, ts, Meta::stored(row.try_get("run_meta")?)));
            }
        }
        Ok(found)
    }
}

/// The statement. Each row is a cast with one of its deliveries. If there are none, it is one row with only
/// the state of the table.
fn statement(select: &SelectCasts) -> String {
    let channels = "{schema}.oasis_channels AS c";
    let events = "{schema}.oasis_events AS e";
    let named = match select {
        SelectCasts::OfDeliveries(_) => format!(
            "SELECT c.channel FROM {events} JOIN {channels} ON {IS_CAST} \
               AND octet_length(c.data ->> 'runId') <= 64 AND c.data ->> 'runId' = e.meta ->> 'run_id' \
             WHERE {IS_DELIVERY} AND e.id = ANY($1) \
             UNION SELECT c.channel FROM {events} JOIN {channels} ON {IS_CAST} \
               AND c.channel = '{CASTS}:' || (e.meta ->> 'cast') \
             WHERE {IS_DELIVERY} AND e.id = ANY($1)"
        ),
        SelectCasts::Named(_) => "SELECT DISTINCT unnest($1) AS channel".to_owned(),
        SelectCasts::Unfinished { .. } => format!(
            "SELECT c.channel FROM {channels} WHERE c.state IN ('queued', 'running') AND c.channel > $1 \
               AND c.data ?| '{{repository,runId}}'::text[] ORDER BY c.channel LIMIT $2"
        ),
    };
    let deliveries = |condition: &str, order: &str| {
        format!(
            "(SELECT e.id, e.ts, e.meta::text AS meta FROM {events} WHERE {IS_DELIVERY} AND {condition} \
              ORDER BY (e.id + 0) {order} LIMIT {MOST_RUNS})"
        )
    };
    format!(
        "SELECT {HEAD} AS head, EXISTS (SELECT FROM {channels} WHERE {IS_CAST}) AS has_casts, found.* \
         FROM (SELECT) AS one LEFT JOIN ( \
           SELECT {}, runs.id AS run_row, runs.ts AS run_ts, runs.meta AS run_meta \
           FROM ({named}) AS named JOIN {channels} ON c.channel = named.channel \
           LEFT JOIN LATERAL ({} UNION ALL {}) AS runs ON true \
           WHERE {IS_CAST} ORDER BY c.channel) AS found ON true",
        columns::<CastState>(),
        deliveries(&format!("{HAS_RUN} = c.data ->> 'runId'"), "DESC"),
        deliveries(
            &format!(
                "NOT c.data ? 'runId' AND c.data ? 'repository' AND {NAMES_CAST} = substr(c.channel, {})",
                CASTS.len() + 2
            ),
            ""
        ),
    )
}
