//! Checks the database for `/ready`. The database must be reachable and up to date (see `tables.rs`). The
//! constraints of the table must be those of the migrations (see `constraints.rs`). The guards of the commit
//! order must be in place. The role of the service must have all rights that the service needs. No session
//! may block the writers.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;

use crate::error::StoreError;
use crate::schema::Schema;
use crate::store::Store;

mod constraints;
mod tables;

use tables::Tables;

/// What a service does with the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The service appends.
    Write,
    /// The service reads.
    Read,
    /// The service does both.
    ReadWrite,
}

/// The reasons why a service is not ready. Each reason is a sentence. The list is empty if the service is
/// ready.
pub type Readiness = Vec<String>;

/// Reads the guards of the commit order and the rights of this role. The result is one row.
const GUARDS: &str = "\
    WITH policies AS (SELECT polrelid, polcmd FROM pg_policy WHERE 0 = ANY(polroles) \
      OR EXISTS (SELECT FROM unnest(polroles) AS role WHERE pg_has_role(role, 'MEMBER'))) \
    SELECT pg_is_in_recovery() AS standby, \
      (SELECT count(*) FROM pg_trigger WHERE tgrelid = e.oid AND tgenabled = 'A' \
         AND tgname IN ('oasis_events_order', 'oasis_events_notify', 'oasis_events_append_only') \
      ) AS triggers, \
      (SELECT attidentity::text FROM pg_attribute WHERE attrelid = e.oid AND attname = 'id') AS identity, \
      (SELECT seqcache FROM pg_sequence WHERE seqrelid = s.oid) AS cache, \
      current_setting('transaction_read_only') = 'on' AS read_only, \
      has_table_privilege(e.oid, 'SELECT') AND NOT (row_security_active(e.oid) AND NOT EXISTS ( \
         SELECT FROM policies WHERE polrelid = e.oid AND polcmd IN ('*', 'r'))) AS may_read, \
      has_any_column_privilege(e.oid, 'INSERT') AND NOT (row_security_active(e.oid) AND NOT EXISTS ( \
         SELECT FROM policies WHERE polrelid = e.oid AND polcmd IN ('*', 'a'))) AS may_write, \
      has_table_privilege(f.oid, 'SELECT') AND NOT (row_security_active(f.oid) AND NOT EXISTS ( \
         SELECT FROM policies WHERE polrelid = f.oid AND polcmd IN ('*', 'r'))) AS may_read_state, \
      ARRAY(SELECT t.name FROM unnest(ARRAY['oasis_channels', 'oasis_api_keys']) AS t (name) \
         WHERE to_regclass('{schema}.' || t.name) IS NULL) AS missing, \
      ARRAY(SELECT r.relname::text FROM pg_class AS r \
         WHERE r.oid IN (to_regclass('{schema}.oasis_channels'), to_regclass('{schema}.oasis_api_keys')) \
         AND NOT (has_table_privilege(r.oid, 'SELECT') AND NOT (row_security_active(r.oid) AND NOT EXISTS ( \
           SELECT FROM policies WHERE polrelid = r.oid AND polcmd IN ('*', 'r')))) \
         ORDER BY r.relname) AS unreadable \
    FROM (SELECT '{schema}.oasis_events'::regclass AS oid) AS e, \
         (SELECT '{schema}.oasis_feed_state'::regclass AS oid) AS f, \
         (SELECT '{schema}.oasis_events_id_seq'::regclass AS oid) AS s";

/// Reads the highest id in the table, and the last id that the sequence has given out. Writers append
/// meanwhile. The snapshot of the table is older than the value of the sequence, so the sequence is not
/// behind the table.
const NEWEST: &str = "\
    SELECT (SELECT coalesce(max(id), 0) FROM {schema}.oasis_events) AS newest, \
      CASE WHEN has_sequence_privilege(s.oid, 'USAGE, SELECT') \
         THEN pg_sequence_last_value(s.oid) END AS drawn \
    FROM (SELECT '{schema}.oasis_events_id_seq'::regclass AS oid) AS s";

/// Lists the sessions that writers wait for. A session is listed if it holds the writers' lock, or if it
/// makes another session wait for that lock or for the table itself, for example with an `ALTER TABLE`. Only
/// a role with pg_read_all_stats sees how long the transactions of other roles have been open.
const BLOCKERS: &str = "\
    WITH locks AS (SELECT * FROM pg_locks \
        WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND relation IN ('{schema}.oasis_events'::regclass, '{schema}.oasis_events_lock'::regclass)), \
      waiting AS (SELECT pid, extract(epoch FROM clock_timestamp() - min(waitstart))::float8 AS waited \
        FROM locks WHERE NOT granted GROUP BY pid), \
      blockers AS (SELECT pid, NULL::float8 AS waited FROM locks \
          WHERE granted AND relation = '{schema}.oasis_events_lock'::regclass \
        UNION ALL SELECT unnest(pg_blocking_pids(pid)), waited FROM waiting) \
    SELECT b.pid, a.usename::text, a.application_name, \
      max(extract(epoch FROM clock_timestamp() - a.xact_start)::float8), max(b.waited) \
    FROM blockers AS b LEFT JOIN pg_stat_activity AS a USING (pid) \
    WHERE b.pid NOT IN (SELECT pid FROM waiting) GROUP BY 1, 2, 3";

impl Store {
    /// Why this program can't use the tables of the schema: they are missing, older than this program, or not
    /// tables of OASIS DevHub. `None` if it can use them.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn unusable(&self) -> Result<Option<String>, StoreError> {
        let tables = self.read(async |client| Tables::read(client, &self.args.schema).await).await?;
        Ok(match tables {
            Tables::Unusable(reason) => Some(reason),
            Tables::UpToDate | Tables::Newer => None,
        })
    }

    /// Checks whether the database can serve `need` now. Returns the reasons why the database can't.
    pub async fn check(&self, need: Need) -> Readiness {
        let schema = &self.args.schema;
        self.read(async |client| {
            let mut reasons = match Tables::read(client, schema).await? {
                Tables::Unusable(reason) => return Ok(vec![reason]),
                Tables::UpToDate => constraints::differences(client, schema).await?,
                // A newer version may have replaced constraints.
                Tables::Newer => Vec::new(),
            };
            reasons.extend(guards(client, schema, need).await?);
            if need != Need::Read {
                reasons.extend(blockers(client, schema).await?);
            }
            Ok(reasons)
        })
        .await
        .unwrap_or_else(|error| vec![error.to_string()])
    }
}

/// Checks the guards and the rights. Returns a sentence for each guard or right that is missing.
async fn guards(client: &Client, schema: &Schema, need: Need) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = client.query_typed(&schema.sql(GUARDS), &[]).await?;
    let Some(row) = rows.first() else { return Ok(vec!["the table oasis_events no longer exists".into()]) };
    let (reads, writes) = (need != Need::Write, need != Need::Read);
    let mut reasons = Vec::new();
    let mut ensure = |holds: bool, reason: &str| {
        if !holds {
            reasons.push(reason.to_owned());
        }
    };
    let identity: Option<&str> = row.get("identity");
    ensure(
        row.get::<_, i64>("triggers") == 3,
        "a trigger of oasis_events is missing or not ENABLE ALWAYS: ids may be out of commit order",
    );
    ensure(identity == Some("a"), "oasis_events.id is not GENERATED ALWAYS: ids may be out of commit order");
    ensure(
        row.get::<_, Option<i64>>("cache") == Some(1),
        "the sequence of oasis_events.id has a CACHE other than 1: ids may be out of commit order",
    );
    let standby: bool = row.get("standby");
    ensure(!(writes && standby), "the database is a standby: it accepts no writes");
    ensure(!writes || standby || !row.get::<_, bool>("read_only"), "the database is read-only");
    // Writers need the right to read too, because RETURNING reads the ids, and duplicates are looked up.
    ensure(
        row.get("may_read"),
        "this role can't read oasis_events: it needs SELECT and, under row level security, a policy",
    );
    ensure(
        !writes || row.get("may_write"),
        "this role can't append to oasis_events: it needs INSERT and, under row level security, a policy",
    );
    ensure(
        !reads || row.get("may_read_state"),
        "this role can't read oasis_feed_state: it needs SELECT and, under row level security, a policy",
    );
    for table in row.get::<_, Vec<&str>>("missing") {
        ensure(false, &format!("the table {table} no longer exists, although it was migrated: restore it"));
    }
    for table in row.get::<_, Vec<&str>>("unreadable") {
        let reason = "it needs SELECT and, under row level security, a policy";
        ensure(!reads, &format!("this role can't read {table}: {reason}"));
    }

    if row.get("may_read") {
        let rows = client.query_typed(&schema.sql(NEWEST), &[]).await?;
        let newest = rows.first().map_or(0, |row| row.get::<_, i64>("newest"));
        let drawn = rows.first().and_then(|row| row.get::<_, Option<i64>>("drawn"));
        // `drawn` is null before the first append, and for a role that has no right to the sequence.
        if drawn.is_some_and(|drawn| drawn < newest) {
            let next = newest + 1_000_000;
            reasons.push(schema.sql(&format!(
                "the sequence of oasis_events.id is behind the table, perhaps after a restore: run \
                 SELECT setval('{{schema}}.oasis_events_id_seq', {next})"
            )));
        }
    }
    Ok(reasons)
}

/// Describes the sessions of [`BLOCKERS`], each in a sentence. A session is left out unless its transaction
/// has been open for more than a second, or another session has waited for it for more than a second.
async fn blockers(client: &Client, schema: &Schema) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = client.query_typed(&schema.sql(BLOCKERS), &[]).await?;
    let long = |seconds: Option<f64>| seconds.is_some_and(|seconds| seconds > 1.0);
    Ok(rows
        .iter()
        .filter(|row| long(row.get(3)) || long(row.get(4)))
        .map(|row| {
            let pid: i32 = row.get(0);
            let held = row
                .get::<_, Option<f64>>(3)
                .map_or_else(String::new, |seconds| format!(" (transaction open for {seconds:.0} s)"));
            format!(
                "session {pid} (user {}, application {:?}) blocks the writers{held}: end its transaction, or \
                 run SELECT pg_terminate_backend({pid})",
                row.get::<_, Option<&str>>(1).unwrap_or("unknown"),
                row.get::<_, Option<&str>>(2).unwrap_or_default(),
            )
        })
        .collect())
}

/// Logs which sessions block the writers. The batcher calls this function after an append waited too long for
/// the lock.
pub(crate) async fn log_blockers(client: &Client, schema: &Schema) {
    match timeout(Duration::from_millis(500), blockers(client, schema)).await {
        Ok(Ok(reasons)) => reasons.iter().for_each(|reason| tracing::warn!("{reason}")),
        Ok(Err(error)) => tracing::debug!(%error, "the session that holds the lock could not be looked up"),
        Err(_) => tracing::debug!("the session that holds the lock could not be looked up in time"),
    }
}
