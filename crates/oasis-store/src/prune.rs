//! Retention: deletes the oldest events of a family, and records the highest deleted id, so that readers know
//! which events have been deleted.

use std::time::Duration;

use jiff::Timestamp;
use oasis_core::Family;
use oasis_core::cast::CASTS;
use oasis_core::cast::kinds::CHANGES;
use oasis_core::room::ROOMS;
use tokio_postgres::types::Type;

use crate::error::StoreError;
use crate::marks::HEAD;
use crate::revocations::ACCESS;
use crate::store::Store;

/// The result of a prune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// The number of deleted rows.
    pub rows: u64,
    /// The highest id that was deleted from the family, by this run or an earlier run.
    pub through: i64,
}

/// The result of one transaction of a prune.
struct PruneStep {
    rows: u64,
    /// All rows up to this id have been handled.
    reached: i64,
}

/// The parts of the statement of one transaction that depend on the family. $1 is the family, $2 and $3 are
/// the exclusive bounds of the ids, $4 is the number of rows, and $5 has the revocations that have ended.
struct StepSql {
    /// Selects the ids of the rows to delete.
    old: String,
    /// The id up to which this transaction has handled all rows.
    reached: String,
    /// Moves the mark of the family.
    mark: &'static str,
    /// Another subquery: for rooms and casts, it deletes states that are no longer needed. Empty for other
    /// families.
    also: String,
}

impl StepSql {
    fn of(family: &Family) -> Self {
        if *family == Family::devhub() {
            // The ticker has a separate index, which contains no rows of other channels.
            let old = "SELECT e.id FROM {schema}.oasis_events AS e \
                       WHERE coalesce(e.channel = 'devhub', false) AND e.id + 0 > $2 AND e.id + 0 < $3 \
                         AND $5 IS NOT NULL ORDER BY e.id + 0 LIMIT $4";
            return Self {
                old: old.to_owned(),
                reached: "CASE WHEN count(*) < $4 THEN $3 - 1 ELSE max(id) END".to_owned(),
                mark: "pruned_through = greatest(pruned_through, gone.through)",
                also: String::new(),
            };
        }
        let mark = "families = jsonb_set(families, ARRAY[$1], to_jsonb(greatest( \
                      coalesce((families ->> $1)::int8, 0), gone.through)))";
        if family.as_str() == ACCESS {
            // There are few revocations, so one transaction deletes all revocations that have ended.
            let old = "SELECT unnest($5) WHERE $2 < $3 AND $4 > 0".to_owned();
            return Self { old, reached: "$3 - 1".to_owned(), mark, also: String::new() };
        }
        // Other families have no separate index. So each transaction looks at a fixed number of rows, which
        // may belong to any channel.
        let window = "SELECT e.id, e.channel, e.kind FROM {schema}.oasis_events AS e \
                      WHERE e.id > $2 AND e.id < $3 ORDER BY e.id LIMIT $4";
        let (may_delete, also) = match family.as_str() {
            ROOMS => {
                let kinds = "'room.opened', 'room.updated'";
                (may_delete(kinds, "'open'"), delete_ended_states("'closed'"))
            }
            CASTS => {
                let kinds = CHANGES.map(|kind| format!("'{kind}'")).join(", ");
                (may_delete(&kinds, "'queued', 'running'"), delete_ended_states("'succeeded', 'failed'"))
            }
            _ => ("true".to_owned(), String::new()),
        };
        Self {
            old: format!(
                "SELECT e.id FROM ({window}) AS e \
                 WHERE (e.channel = $1 OR starts_with(e.channel, $1 || ':')) AND $5 IS NOT NULL \
                   AND {may_delete}"
            ),
            reached: format!(
                "(SELECT CASE WHEN count(*) < $4 THEN $3 - 1 ELSE max(id) END FROM ({window}) AS seen)"
            ),
            mark,
            also,
        }
    }
}

/// Whether a row may be deleted, as an SQL condition. The rows of `kinds` define the state of a channel. They
/// are kept while the state of the channel is one of `active`. Both are lists of SQL texts.
fn may_delete(kinds: &str, active: &str) -> String {
    format!(
        "NOT (e.kind IN ({kinds}) AND EXISTS (SELECT FROM {{schema}}.oasis_channels AS c \
           WHERE c.channel = e.channel AND c.state IN ({active})))"
    )
}

/// Deletes the states of the channels that have `ended` and have lost their last row. If a writer has locked
/// a state, the next prune deletes it, so that writers and prunes do not wait for each other.
fn delete_ended_states(ended: &str) -> String {
    format!(
        ", ended AS (DELETE FROM {{schema}}.oasis_channels WHERE channel IN ( \
           SELECT c.channel FROM {{schema}}.oasis_channels AS c, gone \
           WHERE c.state IN ({ended}) AND c.channel IN (SELECT deleted.channel FROM deleted) \
             AND NOT EXISTS (SELECT FROM {{schema}}.oasis_events AS e \
               WHERE e.channel <> 'devhub' AND e.channel = c.channel AND e.id + 0 > gone.reached) \
           FOR UPDATE OF c SKIP LOCKED))"
    )
}

/// The mark of the family $1, which is the highest deleted id, as an SQL expression.
const MARK: &str = "(SELECT CASE WHEN $1 = 'devhub' THEN pruned_through \
                    ELSE coalesce((families ->> $1)::int8, 0) END FROM {schema}.oasis_feed_state)";

impl Store {
    /// The maximum number of rows of the ticker that one transaction deletes. For another family, this is the
    /// number of rows of all channels that one transaction looks at. The transactions are so short that no
    /// other session has to wait for long.
    const PRUNE_STEP: i64 = 10_000;

    /// Deletes every event of `family` that was recorded more than `keep` ago, oldest first, in short
    /// transactions. Some rows are kept longer: the rows that define the state of an open room or of an
    /// unfinished cast, and the revocations that have not ended. Each transaction that deletes rows moves
    /// the mark of the family and wakes the readers. `progress` receives the number of rows deleted so far.
    ///
    /// # Errors
    /// When the database can't be reached or refuses a statement. Earlier transactions stay committed.
    pub async fn prune(
        &self,
        family: &Family,
        keep: Duration,
        progress: impl Fn(u64),
    ) -> Result<Pruned, StoreError> {
        let micros = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        let (oldest, bound) = self
            .read(async |client| {
                // The bound is exclusive. It is above the last id if every event is older than `keep`.
                let sql = "SELECT coalesce((SELECT min(id) FROM {schema}.oasis_events), 0), coalesce( \
                           {schema}.oasis_first_id_since(clock_timestamp() - $1 * interval '1 microsecond'), \
                           (SELECT max(id) + 1 FROM {schema}.oasis_events), 0)";
                let row = &client.query_typed(&self.sql(sql), &[(&(micros as f64), Type::FLOAT8)]).await?[0];
                Ok((row.get::<_, i64>(0), row.get::<_, i64>(1)))
            })
            .await?;
        let (mut rows, mut reached) = (0, oldest - 1);
        while reached < bound - 1 {
            let step = self.prune_step(family, reached, bound).await?;
            rows += step.rows;
            progress(rows);
            reached = step.reached;
        }
        let sql = self.sql(&format!("SELECT coalesce({MARK}, 0)"));
        let through = self
            .read(async |client| {
                let rows = client.query_typed(&sql, &[(&family.as_str(), Type::TEXT)]).await?;
                Ok(rows.first().map_or(0, |row| row.get(0)))
            })
            .await?;
        Ok(Pruned { rows, through })
    }

    /// Deletes the oldest rows of `family` with ids above `after` and below `bound`. The mark becomes the
    /// highest deleted id. So a reader that has read the row with this id has missed nothing.
    async fn prune_step(&self, family: &Family, after: i64, bound: i64) -> Result<PruneStep, StoreError> {
        let ended = match family.as_str() {
            ACCESS => self.ended_revocations(bound).await?,
            _ => Vec::new(),
        };
        let step = StepSql::of(family);
        let sql = self.sql(&format!(
            "WITH deleted AS ( \
               DELETE FROM {{schema}}.oasis_events WHERE id = ANY (ARRAY({old})) RETURNING id, channel), \
             gone AS (SELECT count(*) AS rows, max(id) AS through, {reached} AS reached FROM deleted), \
             mark AS (UPDATE {{schema}}.oasis_feed_state SET {mark} FROM gone WHERE gone.rows > 0){also} \
             SELECT rows, reached, CASE WHEN rows > 0 AND pg_notification_queue_usage() < 0.75 \
               THEN pg_notify('{{prefix}}oasis_events', '') END \
             FROM gone",
            old = step.old,
            reached = step.reached,
            mark = step.mark,
            also = step.also,
        ));
        self.read(async |client| {
            let family = family.as_str();
            let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 5] = [
                (&family, Type::TEXT),
                (&after, Type::INT8),
                (&bound, Type::INT8),
                (&Self::PRUNE_STEP, Type::INT8),
                (&ended, Type::INT8_ARRAY),
            ];
            let row = &client.query_typed(&sql, &params).await?[0];
            Ok(PruneStep { rows: row.get::<_, i64>("rows").unsigned_abs(), reached: row.get("reached") })
        })
        .await
    }

    /// The highest id that is known to have been in the table. This is the id of the newest row, or the
    /// highest mark if that mark is higher.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn head(&self) -> Result<i64, StoreError> {
        let sql = self.sql(&format!("SELECT {HEAD}"));
        self.read(async |client| Ok(client.query_typed(&sql, &[]).await?.first().map_or(0, |row| row.get(0))))
            .await
    }

    /// The lowest id that a row of `family` recorded at or after `since` can have. `None` if no row of any
    /// family was recorded since then. The result is always above the mark of the family, even if older rows
    /// of other families remain.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn first_id_since(&self, family: &Family, since: Timestamp) -> Result<Option<i64>, StoreError> {
        let sql = self.sql(&format!(
            "SELECT CASE WHEN first.id IS NOT NULL THEN greatest(first.id, {MARK} + 1) END \
             FROM (SELECT {{schema}}.oasis_first_id_since($2) AS id) AS first"
        ));
        self.read(async |client| {
            let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
                [(&family.as_str(), Type::TEXT), (&since, Type::TIMESTAMPTZ)];
            let rows = client.query_typed(&sql, &params).await?;
            Ok(rows.first().and_then(|row| row.get(0)))
        })
        .await
    }
}
