//! Brings a database up to date. Each step is applied once, even if several programs migrate the database at
//! the same time.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};

use oasis_core::chain;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client};

use crate::config::DatabaseUrl;
use crate::error::StoreError;
use crate::schema::Schema;
use crate::tls;

mod script;
mod shape;
mod steps;

pub use script::migration_script;
pub(crate) use shape::TableShape;
pub(crate) use steps::{Step, steps};

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
        "there is a table {schema}.oasis_events that OASIS DevHub did not make; nothing was changed. \
         Differences: {differences}. To keep that table, use another schema, such as OASIS_SCHEMA={}. Or \
         rename that table", .schema.another()
    )]
    Foreign {
        /// The schema of the table.
        schema: Schema,
        /// The differences from the table that the migrations create.
        differences: String,
    },
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

/// Brings the schema `public` of a database up to date. See [`migrate_in`].
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate(url: &DatabaseUrl) -> Result<Migrated, MigrateError> {
    migrate_in(url, &Schema::default()).await
}

/// Brings a schema up to date, and creates it if it is missing. This call is safe at any time, even if
/// several programs migrate the database at once. It sends the transactions of [`migration_script`].
///
/// # Errors
/// See [`MigrateError`]. Every step is a transaction, so a failed step changes nothing.
pub async fn migrate_in(url: &DatabaseUrl, schema: &Schema) -> Result<Migrated, MigrateError> {
    let (client, mut connection) = url.connect("oasis migrate").await?;
    let notices = Notices::default();
    let driver = tokio::spawn({
        let notices = notices.clone();
        async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                notices.add(message);
            }
        }
    });
    let outcome = migrate_on(&client, &notices, schema).await;
    drop(client);
    // The driver ends because the client was dropped. An error of the driver would only repeat the error of
    // the statement.
    let _ = driver.await;
    outcome
}

async fn migrate_on(client: &Client, notices: &Notices, schema: &Schema) -> Result<Migrated, MigrateError> {
    if let Some(differences) = foreign_table(client, schema).await? {
        return Err(MigrateError::Foreign { schema: schema.clone(), differences });
    }
    for transaction in script::transactions(schema) {
        if let Err(error) = client.batch_execute(&transaction.sql).await {
            // Until the transaction ends, a pooler can't give the session to another client.
            let _ = client.batch_execute("ROLLBACK").await;
            return Err(failed(&transaction.name, &error));
        }
    }
    let applied = |step: &Step| notices.contains(&script::notice(step)).then(|| step.to_string());
    let steps = steps();
    Ok(Migrated {
        applied: steps.iter().filter_map(applied).collect(),
        version: steps.last().map_or(0, |step| step.version),
    })
}

/// The differences of a table `oasis_events` that OASIS DevHub did not make. `None` if there is no such
/// table. The script refuses such a table too, but it does not name the differences.
async fn foreign_table(client: &Client, schema: &Schema) -> Result<Option<String>, tokio_postgres::Error> {
    // The table is read before its history, because another migrator creates the history before the table.
    let Some(shape) = TableShape::read(client, schema).await? else { return Ok(None) };
    let history = schema.sql("SELECT to_regclass('{schema}.oasis_schema_history') IS NOT NULL");
    let has_history = client.query_typed(&history, &[]).await?.first().is_some_and(|row| row.get(0));
    Ok((!has_history).then(|| shape.differences()))
}

/// The notices that a session has received. A notice arrives before the result of its statement.
#[derive(Clone, Default)]
struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    fn add(&self, message: AsyncMessage) {
        if let AsyncMessage::Notice(notice) = message {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(notice.message().to_owned());
        }
    }

    fn contains(&self, text: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|notice| notice == text)
    }
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
