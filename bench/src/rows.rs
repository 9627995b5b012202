//! Inserts rows with SQL instead of through a service: many rows at once, or one row at a time as fast as
//! PostgreSQL accepts rows on one connection.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use tokio_postgres::{Client, Row};

/// The number of rows per statement.
const AT_ONCE: i64 = 250;
const TABLE: &str = "public.oasis_events";
const BARE: &str = "bench_bare";

/// Appends `count` events of the task `vtid`, and returns their ids.
pub(crate) async fn append_many(client: &Client, vtid: &str, count: i64) -> anyhow::Result<Vec<i64>> {
    let layer = vtid.split('-').nth(1).context("the VTID has no layer")?;
    let sql = format!(
        "INSERT INTO {TABLE} (ts, vtid, layer, module, source, kind, status, title, ref, link) \
         SELECT clock_timestamp(), '{vtid}', '{layer}', 'CORE', 'oasis.events', 'event', 'info', \
                '{layer}-CORE-EVENT', 'vt/{vtid}-event', 'https://example.com/events/' || n \
         FROM generate_series($1::bigint, $2::bigint) AS n RETURNING id"
    );
    let statement = client.prepare(&sql).await?;
    let mut ids = Vec::new();
    for first in (1..=count).step_by(AT_ONCE as usize) {
        let rows = client.query(&statement, &[&first, &(first + AT_ONCE - 1).min(count)]).await?;
        ids.extend(rows.iter().map(|row| row.get::<_, i64>(0)));
    }
    Ok(ids)
}

/// The number of rows in the table.
pub(crate) async fn count(client: &Client) -> anyhow::Result<i64> {
    Ok(client.query_one(&format!("SELECT count(*) FROM {TABLE}"), &[]).await?.get(0))
}

/// The table into which single rows are inserted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The table of the events, with its triggers, constraints and indexes.
    Table,
    /// A table with the same columns and nothing else.
    Bare,
}

/// Creates the table for [`Target::Bare`].
pub(crate) async fn make_bare(client: &Client) -> anyhow::Result<()> {
    let sql = format!("CREATE TABLE {BARE} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING IDENTITY)");
    Ok(client.batch_execute(&sql).await?)
}

/// The last event that a service stored. The bench inserts copies of this event with other dedup keys.
pub(crate) struct Template(Row);

impl Template {
    pub(crate) async fn last(client: &Client) -> anyhow::Result<Self> {
        let sql = format!(
            "SELECT ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta::text \
             FROM {TABLE} WHERE dedup_key IS NOT NULL ORDER BY id DESC LIMIT 1"
        );
        Ok(Self(client.query_one(&sql, &[]).await?))
    }

    /// Inserts single rows for `time`, each in its own transaction, and returns the rows per second. `keys`
    /// is the number of dedup keys that have been used.
    pub(crate) async fn insert(
        &self,
        client: &Client,
        into: Target,
        time: Duration,
        keys: &mut u64,
    ) -> anyhow::Result<f64> {
        let table = if into == Target::Table { TABLE } else { BARE };
        let statement = client
            .prepare(&format!(
                "INSERT INTO {table} (ts, vtid, layer, module, source, kind, status, title, ref, link, \
                 channel, meta, dedup_key) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::text::jsonb, $13)"
            ))
            .await?;
        let ts: SystemTime = self.0.get(0);
        let text: Vec<Option<&str>> = (1..12).map(|column| self.0.get(column)).collect();
        let began = Instant::now();
        let mut rows = 0_u64;
        while began.elapsed() < time {
            *keys += 1;
            // This key is as long as the dedup key of a delivery.
            let key = format!("github:workflow_run:{keys:064x}");
            client
                .execute(
                    &statement,
                    &[
                        &ts, &text[0], &text[1], &text[2], &text[3], &text[4], &text[5], &text[6], &text[7],
                        &text[8], &text[9], &text[10], &key,
                    ],
                )
                .await?;
            rows += 1;
        }
        Ok(rows as f64 / began.elapsed().as_secs_f64())
    }
}
