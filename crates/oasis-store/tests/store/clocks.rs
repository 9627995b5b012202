//! Tests that a wrong clock of the database does no harm. Even if some rows were recorded while the clock was
//! wrong, no young row is hidden, skipped or deleted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oasis_core::Family;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::{client, database, store};

/// Rows that are recorded one minute apart. The last row is one minute old.
struct History {
    rows: usize,
    /// The first and the last row that were recorded while the clock was wrong.
    wrong: (usize, usize),
    /// How wrong the clock was, in minutes.
    error: i64,
}

impl History {
    /// When the row was committed.
    fn truth(&self, now: Timestamp, row: usize) -> Timestamp {
        now - SignedDuration::from_mins(i64::try_from(self.rows - row).unwrap())
    }

    fn recorded(&self, now: Timestamp, row: usize) -> Timestamp {
        let is_wrong = (self.wrong.0..=self.wrong.1).contains(&row);
        self.truth(now, row) + SignedDuration::from_mins(if is_wrong { self.error } else { 0 })
    }

    /// The row from which on every row was committed at or after `instant`.
    fn first_since(&self, now: Timestamp, instant: Timestamp) -> Option<usize> {
        (0..self.rows).find(|row| self.truth(now, *row) >= instant)
    }
}

/// Replaces the rows of the table. The rows have ids from `base + 1`. Returns `base`.
async fn fill(client: &tokio_postgres::Client, now: Timestamp, history: &History) -> i64 {
    let base: i64 = client
        .query_one(
            "WITH gone AS (DELETE FROM oasis_events) \
             SELECT coalesce((SELECT last_value FROM pg_sequences \
                              WHERE sequencename = 'oasis_events_id_seq'), 0)",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    let recorded: Vec<Timestamp> = (0..history.rows).map(|row| history.recorded(now, row)).collect();
    let insert = "INSERT INTO oasis_events \
            (ts, vtid, layer, module, source, kind, status, title, ref, recorded_at) \
        SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', 'UNSET-CORE-EVENT', \
            'vt/UNSET-event', unnest($1::timestamptz[])";
    client.execute(insert, &[&recorded]).await.unwrap();
    base
}

#[tokio::test]
async fn no_young_row_is_hidden_by_a_clock_that_was_wrong() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let mut runner = TestRunner::deterministic();
    let strategy = (1_usize..80, 1_usize..90, 0_usize..40, -200_i64..200, -10_i64..90);
    for _ in 0..200 {
        let (rows, from, length, error, asked) = strategy.new_tree(&mut runner).unwrap().current();
        // A clock that was behind is always detected only if it was wrong for a short time, compared with its
        // error.
        let length = if error < 0 {
            length.min(usize::try_from(-error / 8).unwrap().saturating_sub(2))
        } else {
            length
        };
        let (from, error) = if (-24..0).contains(&error) { (rows, 0) } else { (from, error) };
        let history = History { rows, wrong: (from, from + length), error };
        let now = Timestamp::now();
        let base = fill(&client, now, &history).await;
        let instant = now - SignedDuration::from_mins(asked);
        let found = store.first_id_since(&Family::devhub(), instant).await.unwrap();
        let found = found.map(|id| usize::try_from(id - base - 1).unwrap());
        let truth = history.first_since(now, instant);
        let context = format!("{rows} rows, {from}+{length} wrong by {error}, since {asked} minutes ago");
        match (truth, found) {
            (None, _) => {}
            (Some(truth), Some(found)) => assert!(found <= truth, "{found} > {truth}: {context}"),
            (Some(truth), None) => panic!("row {truth} is hidden: {context}"),
        }
        if error == 0 || from >= rows {
            assert_eq!(found, truth, "{context}");
        }
    }
}

#[tokio::test]
async fn a_prune_deletes_no_young_row_after_the_clock_was_wrong() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let hour = Duration::from_secs(3_600);
    for (rows, wrong, error, kept) in [
        // The clock was at 1970 for the last rows, for all young rows, and for the first rows of the table.
        (80, (70, 79), -30_000_000, 59),
        (80, (20, 79), -30_000_000, 59),
        (50, (0, 49), -30_000_000, 50),
        // The clock was a day behind, and a day ahead.
        (80, (30, 50), -1_440, 59),
        (80, (0, 10), 1_440, 59),
    ] {
        let now = Timestamp::now();
        fill(&client, now, &History { rows, wrong, error }).await;
        store.prune(&Family::devhub(), hour, |_| {}).await.unwrap();
        let left: i64 = client.query_one("SELECT count(*) FROM oasis_events", &[]).await.unwrap().get(0);
        assert!(left >= kept, "{left} of {rows} rows are left; wrong: {wrong:?} by {error} minutes");
    }
}

#[tokio::test]
async fn the_table_refuses_times_that_no_reader_can_read() {
    let db = database().await;
    let client = client(&db.url).await;
    for (time, accepted) in [("infinity", false), ("-infinity", false), ("10000-01-01", false), ("now", true)]
    {
        let insert = format!(
            "INSERT INTO oasis_events \
                (ts, vtid, layer, module, source, kind, status, title, ref, recorded_at) \
             VALUES (now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'event', 'info', 'UNSET-CORE-EVENT', \
                     'vt/UNSET-event', '{time}')"
        );
        assert_eq!(client.batch_execute(&insert).await.is_ok(), accepted, "{time}");
    }
}

/// An older table may have rows with such times. The migration gives each of these rows the time of the row
/// before it.
#[tokio::test]
async fn a_migration_repairs_times_that_no_reader_can_read() {
    let db = database().await;
    let client = client(&db.url).await;
    let now = Timestamp::now();
    fill(&client, now, &History { rows: 3, wrong: (9, 9), error: 0 }).await;
    client
        .batch_execute(
            "ALTER TABLE oasis_events DROP CONSTRAINT oasis_events_recorded_at; \
             ALTER TABLE oasis_events DISABLE TRIGGER oasis_events_append_only; \
             UPDATE oasis_events SET recorded_at = 'infinity' \
                WHERE id = (SELECT min(id) + 1 FROM oasis_events); \
             ALTER TABLE oasis_events ENABLE ALWAYS TRIGGER oasis_events_append_only; \
             ALTER TABLE oasis_events ADD CONSTRAINT oasis_events_recorded_at CHECK ( \
                recorded_at >= '0001-01-01 00:00:00+00' \
                AND recorded_at < '9999-12-30 00:00:00+00') NOT VALID",
        )
        .await
        .unwrap();
    let repair = include_str!("../../../../migrations/V5__wider_checks_are_valid.sql");
    client.batch_execute(&format!("BEGIN; {} COMMIT", repair.replace("{schema}", "public"))).await.unwrap();
    let rows = client.query("SELECT recorded_at FROM oasis_events ORDER BY id", &[]).await.unwrap();
    let times: Vec<Timestamp> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!((times.len(), times[1]), (3, times[0]));
    assert!(
        client.batch_execute("UPDATE oasis_events SET kind = 'x'").await.is_err(),
        "the table must be append-only again"
    );
}
