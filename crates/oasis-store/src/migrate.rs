//! Brings a database up to date. Each step is applied once, even if several programs migrate the database at
//! the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use oasis_core::chain;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::config::DatabaseUrl;
use crate::error::StoreError;
use crate::tls;

mod script;
mod steps;

pub use script::migration_script;
pub(crate) use steps::steps;

/// The time limit for connecting and logging in.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// The result of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The steps that this run applied, in the form `V1__name`.
    pub applied: Vec<String>,
    /// The version of the database after this run.
    pub version: i64,
}

/// The reason why a database was not brought up to date. The failed step was rolled back.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No connection could be made, or the connection broke.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is a table `oasis_events` that OASIS DevHub did not make.
    #[error(
        "there is a table public.oasis_events that OASIS DevHub did not make; nothing was changed. \
         Differences: {0}. Rename that table, or use another database"
    )]
    Foreign(String),
    /// A step failed, or this build can't continue from the migrations that the database has.
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

/// Brings the database up to date. This call is safe at any time, even if several programs migrate the
/// database at once.
///
/// # Errors
/// See [`MigrateError`]. Every step is a transaction, so a failed step changes nothing.
pub async fn migrate(url: &DatabaseUrl) -> Result<Migrated, MigrateError> {
    // The `connect_timeout` of the driver covers the TCP connection, but not the login.
    let (mut client, connection) = timeout(CONNECT_WITHIN, url.named("oasis migrate").connect(url.tls()?))
        .await
        .map_err(|_| StoreError::Slow(CONNECT_WITHIN))?
        .map_err(|error| StoreError::Connect(chain(&error)))?;
    let driver = tokio::spawn(connection);
    let outcome = migrate_on(&mut client).await;
    drop(client);
    // The driver ends because the client was dropped. An error of the driver would only repeat the error of
    // the statement.
    let _ = driver.await;
    outcome
}

async fn migrate_on(client: &mut Client) -> Result<Migrated, MigrateError> {
    // The server releases the lock at the end of the session, even if the migrator crashes.
    client.execute("SELECT pg_advisory_lock($1)", &[&script::LOCK]).await?;
    let history = "SELECT to_regclass('public.oasis_schema_history') IS NOT NULL";
    let has_history: bool = client.query_one(history, &[]).await?.get(0);
    if !has_history && let Some(difference) = foreign_table(client).await? {
        return Err(MigrateError::Foreign(difference));
    }
    client.batch_execute(script::SETTINGS).await?;
    let steps = steps();
    client
        .batch_execute(&script::history(&steps))
        .await
        .map_err(|error| failed("the history step", &error))?;
    let done = "SELECT coalesce(max(version), 0) FROM public.oasis_schema_history";
    let done: i64 = client.query_one(done, &[]).await?.get(0);
    let mut migrated = Migrated { applied: Vec::new(), version: done };
    let mut before = None;
    for step in &steps {
        if step.version > done {
            let apply = script::apply(step, before);
            client.batch_execute(&apply).await.map_err(|error| failed(&step.to_string(), &error))?;
            migrated.applied.push(step.to_string());
            migrated.version = step.version;
        }
        before = Some(step);
    }
    Ok(migrated)
}

/// The error of a statement that failed, with the server's message and hint.
fn failed(what: &str, error: &tokio_postgres::Error) -> MigrateError {
    let Some(answer) = error.as_db_error() else {
        return MigrateError::Failed(format!("{what}: {}", chain(error)));
    };
    let mut text = answer.message().to_owned();
    // If a script raised the error, the message already says what failed.
    if *answer.code() != SqlState::RAISE_EXCEPTION {
        text = format!("{what} failed and was rolled back: {text}");
    }
    if let Some(hint) = answer.hint() {
        text.push_str(". ");
        text.push_str(hint);
    }
    MigrateError::Failed(text)
}

/// The columns that the first migration creates, and their types.
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

/// Describes how an existing table `oasis_events` differs from a table that the migrations created. `None` if
/// there is no table `oasis_events`.
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
    let columns: BTreeMap<String, String> = rows
        .iter()
        .filter_map(|row| Some((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?)))
        .collect();
    let mut differences = Vec::new();
    for (name, expected) in COLUMNS {
        match columns.get(name) {
            None => differences.push(format!("column {name} is missing")),
            Some(found) if found != expected => {
                differences.push(format!("column {name} is {found}, not {expected}"))
            }
            Some(_) => {}
        }
    }
    for name in columns.keys().filter(|name| COLUMNS.iter().all(|(ours, _)| ours != name)) {
        differences.push(format!("column {name} is unexpected"));
    }
    differences.push("the table oasis_schema_history is missing".to_owned());
    Ok(Some(differences.join("; ")))
}
