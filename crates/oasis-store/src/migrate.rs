//! Bringing a database up to date, once, however many start at the same time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use oasis_core::chain;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::config::DatabaseUrl;
use crate::error::StoreError;
use crate::tls;

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// Where refinery keeps what has been applied.
const HISTORY: &str = "oasis_schema_history";
/// The key of the advisory lock that one migrator holds at a time ("oasis" in ASCII).
const LOCK: i64 = 0x006f_6173_6973;
/// The longest that logging in may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// The newest version that this build knows.
pub(crate) fn latest() -> i64 {
    embedded::migrations::runner().get_migrations().iter().map(|m| m.version()).max().unwrap_or_default()
}

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The migrations applied now, as `V1__name`.
    pub applied: Vec<String>,
    /// The version that the database has.
    pub version: i64,
}

/// A database that was not brought up to date; nothing of the failed step remains.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No connection, or it broke.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is a table of this name that is not ours.
    #[error(
        "there is a table public.oasis_events that OASIS DevHub did not make; nothing was changed. It differs: {0}. \
         Rename it, or name another database"
    )]
    Foreign(String),
    /// A step failed, or the history is not one that this build can go on from.
    #[error("{0}")]
    Failed(String),
}

impl From<tokio_postgres::Error> for MigrateError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(StoreError::Postgres(error))
    }
}

impl From<tls::Error> for MigrateError {
    fn from(error: tls::Error) -> Self {
        Self::Store(StoreError::Tls(error))
    }
}

/// Brings the database up to date. Safe to run at any time and by several at once.
///
/// # Errors
/// See [`MigrateError`]; every step is a transaction, so what failed left nothing behind.
pub async fn migrate(url: &DatabaseUrl) -> Result<Migrated, MigrateError> {
    // The driver's own limit covers the TCP connection only.
    let (mut client, connection) = timeout(CONNECT_WITHIN, url.named("oasis migrate").connect(url.tls()?))
        .await
        .map_err(|_| StoreError::Slow(CONNECT_WITHIN))?
        .map_err(|error| StoreError::Connect(chain(&error)))?;
    let driver = tokio::spawn(connection);
    let outcome = migrate_on(&mut client).await;
    drop(client);
    // Ends once the client is gone; its own error would repeat what the statement has told.
    let _ = driver.await;
    outcome
}

async fn migrate_on(client: &mut Client) -> Result<Migrated, MigrateError> {
    // Ends with the session, so a migrator that dies leaves no lock behind.
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    let ours: bool =
        client.query_one("SELECT to_regclass('public.' || $1) IS NOT NULL", &[&HISTORY]).await?.get(0);
    if !ours && let Some(difference) = foreign_table(client).await? {
        return Err(MigrateError::Foreign(difference));
    }
    client.batch_execute("SET search_path = public").await?;
    let report = embedded::migrations::runner()
        .set_migration_table_name(HISTORY)
        .run_async(client)
        .await
        .map_err(|error| MigrateError::Failed(chain(&error)))?;
    client
        .batch_execute(&format!(
            "ALTER TABLE public.{HISTORY} ENABLE ROW LEVEL SECURITY; GRANT SELECT ON public.{HISTORY} TO PUBLIC; {}",
            history_policy()
        ))
        .await?;
    Ok(Migrated {
        applied: report.applied_migrations().iter().map(ToString::to_string).collect(),
        version: latest(),
    })
}

/// Any role may see which version a database has: `/ready` of a service with few rights must be able to tell.
fn history_policy() -> String {
    format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = 'public.{HISTORY}'::regclass) THEN \
         CREATE POLICY oasis_version ON public.{HISTORY} FOR SELECT USING (true); END IF; END $$;"
    )
}

/// The columns that the first migration makes, and their types.
const COLUMNS: [(&str, &str); 15] = [
    ("id", "bigint"),
    ("ts", "timestamp with time zone"),
    ("vtid", "text"),
    ("layer", "text"),
    ("module", "text"),
    ("source", "text"),
    ("kind", "text"),
    ("status", "text"),
    ("title", "text"),
    ("ref", "text"),
    ("link", "text"),
    ("recorded_at", "timestamp with time zone"),
    ("channel", "text"),
    ("meta", "jsonb"),
    ("dedup_key", "text"),
];

/// What makes an `oasis_events` that is there already another table than ours.
async fn foreign_table(client: &Client) -> Result<Option<String>, tokio_postgres::Error> {
    let rows = client
        .query(
            "SELECT a.attname::text, format_type(a.atttypid, NULL), c.relkind::text FROM pg_class c \
             LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE c.oid = to_regclass('public.oasis_events')",
            &[],
        )
        .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let there: BTreeMap<String, String> = rows
        .iter()
        .filter_map(|row| Some((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?)))
        .collect();
    let mut differences = Vec::new();
    for (name, expected) in COLUMNS {
        match there.get(name) {
            None => differences.push(format!("column {name} is missing")),
            Some(found) if found != expected => {
                differences.push(format!("column {name} is {found}, not {expected}"))
            }
            Some(_) => {}
        }
    }
    for name in there.keys().filter(|name| COLUMNS.iter().all(|(ours, _)| ours != name)) {
        differences.push(format!("column {name} is not ours"));
    }
    differences.push(format!("there is no {HISTORY} beside it"));
    Ok(Some(differences.join("; ")))
}

/// The migrations as plain SQL for psql or any other client, which applies what is missing and records it as
/// [`migrate`] does. Each step is one statement, and so one transaction.
pub fn migration_script() -> String {
    let mut script = format!(
        "-- OASIS DevHub: the schema. It is safe to run again: what is there is left alone.\n\
         SET search_path = public;\n\
         DO $oasis$ BEGIN\n    \
         PERFORM pg_advisory_xact_lock({LOCK});\n    \
         IF to_regclass('public.oasis_events') IS NOT NULL AND to_regclass('public.{HISTORY}') IS NULL THEN\n        \
         RAISE 'there is a table public.oasis_events that OASIS DevHub did not make; nothing was changed';\n    \
         END IF;\nEND $oasis$;\n\
         CREATE TABLE IF NOT EXISTS public.{HISTORY}(\n    version INT8 PRIMARY KEY,\n    name VARCHAR(255),\n    \
         applied_on VARCHAR(255),\n    checksum VARCHAR(255));\n\
         ALTER TABLE public.{HISTORY} ENABLE ROW LEVEL SECURITY;\n\
         GRANT SELECT ON public.{HISTORY} TO PUBLIC;\n{}\n",
        history_policy()
    );
    for migration in embedded::migrations::runner().get_migrations() {
        let (version, name, checksum) = (migration.version(), migration.name(), migration.checksum());
        let sql = migration.sql().unwrap_or_default();
        // Writing to a String has no way to fail.
        let _ = write!(
            script,
            "\nDO $oasis_step$ BEGIN\n\
             PERFORM pg_advisory_xact_lock({LOCK});\n\
             IF EXISTS (SELECT FROM public.{HISTORY} WHERE version = {version}) THEN RETURN; END IF;\n\
             EXECUTE $oasis_sql$\n{sql}\n$oasis_sql$;\n\
             INSERT INTO public.{HISTORY} VALUES ({version}, '{name}', \
             to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '{checksum}');\n\
             END $oasis_step$;\n"
        );
    }
    script
}
