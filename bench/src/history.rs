//! Fills a table with a long history: the events of a busy team. Some tasks, kinds and statuses are frequent,
//! and others are rare. Some events were recorded late.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::rows;

/// The name of the database with the history. Several scenarios use this database.
pub(crate) const DATABASE: &str = "history";
const FILL: &str = include_str!("history/fill.sql");
/// The number of rows per statement.
const AT_ONCE: i64 = 100_000;
/// The first event is recorded 6 s after this time. After that, one event is recorded every 6 s.
const BEGAN: &str = "2025-01-01 00:00:00+00";

/// A table that contains the history.
pub(crate) struct History {
    rows: i64,
    /// How long the INSERTs and the VACUUM (ANALYZE) took. `None` if an earlier scenario filled the table.
    made: Option<(Duration, Duration)>,
}

impl History {
    /// Appends `rows` events, unless an earlier scenario has appended them. The events are the same in each
    /// run.
    pub(crate) async fn fill(client: &Client, rows: i64) -> anyhow::Result<Self> {
        let began = Instant::now();
        if rows::count(client).await? >= rows {
            return Ok(Self { rows, made: None });
        }
        let statement = client
            .prepare_typed(FILL, &[Type::INT8, Type::INT8, Type::TEXT])
            .await
            .context("preparing the history")?;
        for first in (1..=rows).step_by(AT_ONCE as usize) {
            let last = (first + AT_ONCE - 1).min(rows);
            client.execute(&statement, &[&first, &last, &BEGAN]).await.context("writing the history")?;
        }
        let inserted = began.elapsed();
        let began = Instant::now();
        // Without this statement, autovacuum would vacuum the table later, during the measurements.
        client.batch_execute("VACUUM (ANALYZE) public.oasis_events").await?;
        anyhow::ensure!(rows::count(client).await? == rows, "some events of the history are missing");
        Ok(Self { rows, made: Some((inserted, began.elapsed())) })
    }

    /// Computes the time at which this share of the events had been recorded, and adds `seconds`. Returns the
    /// sum in the format of a query parameter.
    pub(crate) async fn moment(&self, client: &Client, share: f64, seconds: f64) -> anyhow::Result<String> {
        let sql = "SELECT to_char(($1::timestamptz + $2 * interval '1 s') AT TIME ZONE 'UTC', \
                   'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";
        let seconds = (self.rows as f64 * share).floor() * 6.0 + seconds;
        let statement = client.prepare_typed(sql, &[Type::TEXT, Type::FLOAT8]).await?;
        Ok(client.query_one(&statement, &[&BEGAN, &seconds]).await?.get(0))
    }

    /// Describes in a sentence how the history was made.
    pub(crate) fn describe(&self) -> String {
        match self.made {
            Some((inserted, vacuumed)) => format!(
                "the history has {} events, one every 6 s; inserting them took {:.0} s with all constraints \
                 and indexes, and VACUUM (ANALYZE) took {:.0} s",
                self.rows,
                inserted.as_secs_f64(),
                vacuumed.as_secs_f64()
            ),
            None => format!("the history has {} events, which an earlier scenario appended", self.rows),
        }
    }
}
