//! [`Tables`]: whether the schema has tables that this program can use. The tables must come from the
//! migrations of OASIS DevHub and be up to date.

use tokio_postgres::{Client, Row};

use crate::migrate::{self, TableShape};
use crate::schema::Schema;

/// Reads the encoding of the database, whether this role may look up names in the schema (null if the schema
/// is missing), and whether the schema has a history of migrations.
const DATABASE: &str = "\
    SELECT current_setting('server_encoding') AS encoding, rights.usable, \
      CASE WHEN rights.usable THEN to_regclass('{schema}.oasis_schema_history') IS NOT NULL END AS history \
    FROM (SELECT has_schema_privilege(to_regnamespace('{schema}'), 'USAGE') AS usable) AS rights";

/// The applied migrations, oldest first.
const HISTORY: &str = "SELECT version, name, checksum FROM {schema}.oasis_schema_history ORDER BY version";

/// The state of the tables in a schema.
pub(super) enum Tables {
    /// This program can't use the tables. The reason is a sentence.
    Unusable(String),
    /// The tables have exactly the migrations of this program.
    UpToDate,
    /// The tables also have migrations of a newer program.
    Newer,
}

impl Tables {
    pub(super) async fn read(client: &Client, schema: &Schema) -> Result<Self, tokio_postgres::Error> {
        let rows = client.query_typed(&schema.sql(DATABASE), &[]).await?;
        let database = rows.first();
        let encoding = database.map_or("", |row| row.get("encoding"));
        if encoding != "UTF8" {
            return Ok(Self::Unusable(format!(
                "the database has the encoding {encoding}, which can't store every text: use a database with \
                 the encoding UTF8"
            )));
        }
        if database.and_then(|row| row.get("usable")) == Some(false) {
            let grant = schema.sql("GRANT USAGE ON SCHEMA {schema}");
            return Ok(Self::Unusable(format!("this role can't use the schema {schema}: {grant} to it")));
        }
        let has_history = database.and_then(|row| row.get("history")) == Some(true);
        let Some(shape) = TableShape::read(client, schema).await? else {
            let (table, migrate) = (table_name(schema), migrate_command(schema));
            return Ok(Self::Unusable(if has_history {
                format!("the table {table} no longer exists, although it was migrated: restore a backup")
            } else {
                format!("the database has no table {table}: run {migrate}")
            }));
        };
        if !has_history || !shape.conflicts.is_empty() {
            return Ok(Self::Unusable(shape.reason(schema)));
        }
        Ok(Self::by_history(&client.query_typed(&schema.sql(HISTORY), &[]).await?, schema))
    }

    fn by_history(applied: &[Row], schema: &Schema) -> Self {
        let Some(needed) = migrate::steps().pop() else { return Self::UpToDate };
        let checksum = needed.checksum.to_string();
        let is_needed = |row: &Row| row.get::<_, Option<&str>>("checksum") == Some(checksum.as_str());
        let Some(newest) = applied.last().filter(|_| applied.iter().any(is_needed)) else {
            let newest = applied.last().map_or_else(
                || "empty".to_owned(),
                |row| {
                    let name: Option<&str> = row.get("name");
                    format!("at V{}__{}", row.get::<_, i64>("version"), name.unwrap_or_default())
                },
            );
            let migrate = migrate_command(schema);
            return Self::Unusable(format!(
                "the database is {newest}, but this program needs {needed}: run {migrate}"
            ));
        };
        if is_needed(newest) { Self::UpToDate } else { Self::Newer }
    }
}

/// The name of the table of events in a reason.
fn table_name(schema: &Schema) -> String {
    if schema.is_public() { "oasis_events".into() } else { format!("{schema}.oasis_events") }
}

/// The command that brings `schema` up to date.
fn migrate_command(schema: &Schema) -> String {
    if schema.is_public() {
        "`oasis migrate`".into()
    } else {
        format!("`oasis migrate --oasis-schema {schema}`")
    }
}
