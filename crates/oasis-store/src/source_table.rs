//! [`SourceTable`]: a table that another application made, whose rows `oasis import` reads.

use std::time::Duration;

use oasis_core::chain;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::config::DatabaseUrl;
use crate::error::StoreError;
use crate::store::Store;

/// The settings of the session end with its transaction, so a pooler gives nothing of them to other clients.
/// A row that only some roles may see is an error, because the import would be incomplete without a word.
const BEGIN: &str = "\
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL TimeZone = 'UTC'; \
    SET LOCAL row_security = off; \
    SET LOCAL statement_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0";

/// All tables and views, except those of PostgreSQL.
const TABLES: &str = "\
    SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, pg_table_is_visible(c.oid) AS visible \
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' \
      AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 2, 3";

/// The columns of a table.
const COLUMNS: &str = "\
    SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS type, \
      EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisprimary \
        AND a.attnum = ANY (i.indkey)) AS is_key \
    FROM pg_attribute AS a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// Identifies a table among all tables of all servers.
const IDENTITY: &str = "SELECT concat_ws(' ', pg_postmaster_start_time(), current_database(), $1::oid)";
const OWN_TABLE: &str = "SELECT to_regclass('{schema}.oasis_events')::oid";

/// The time limit for connecting and logging in.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The maximum number of tables that an error names.
const NAMED: usize = 20;

/// A table that another application made. The connection has a transaction that only reads, so all rows are
/// from one moment.
pub struct SourceTable {
    client: Client,
    /// The name, with the name of the schema.
    name: String,
    /// The name as SQL.
    sql: String,
    columns: Vec<SourceColumn>,
    identity: String,
}

/// A column of a [`SourceTable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceColumn {
    /// The name.
    pub name: String,
    /// The name of the type, such as `timestamp with time zone`.
    pub type_name: String,
    /// Whether the column is a part of the primary key.
    pub is_key: bool,
}

/// Why a table can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The database can't be reached or refuses a statement.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No table has this name.
    #[error("the database has no table {name}; it has {tables}")]
    Missing {
        /// The name that was looked for.
        name: String,
        /// The names of tables of the database.
        tables: String,
    },
    /// Several tables have this name.
    #[error("several tables have the name {name}: choose one of {tables}")]
    Ambiguous {
        /// The name that was looked for.
        name: String,
        /// The names of these tables.
        tables: String,
    },
}

impl From<tokio_postgres::Error> for SourceError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

impl SourceTable {
    /// Finds a table by its name, such as `events`, `app.events` or `"OasisEvent"`. Upper case and lower case
    /// count only if names differ in nothing else.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub async fn open(url: &DatabaseUrl, name: &str) -> Result<Self, SourceError> {
        let client = connect(url).await?;
        client.batch_execute(BEGIN).await?;
        let mut tables = Vec::new();
        for row in client.query_typed(TABLES, &[]).await? {
            tables.push(Candidate {
                oid: row.try_get("oid")?,
                schema: row.try_get("schema")?,
                name: row.try_get("name")?,
                is_visible: row.try_get("visible")?,
            });
        }
        let found = choose(&tables, name)?;
        let mut columns = Vec::new();
        for row in client.query_typed(COLUMNS, &[(&found.oid, Type::OID)]).await? {
            columns.push(SourceColumn {
                name: row.try_get("name")?,
                type_name: row.try_get("type")?,
                is_key: row.try_get("is_key")?,
            });
        }
        let identity = identity(&client, found.oid).await?;
        let sql = format!("{}.{}", quoted(&found.schema), quoted(&found.name));
        Ok(Self { client, name: found.full_name(), sql, columns, identity })
    }

    /// The name, with the name of the schema.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns, in the order of the table.
    pub fn columns(&self) -> &[SourceColumn] {
        &self.columns
    }

    /// Whether this is the table that `store` appends to.
    ///
    /// # Errors
    /// When the database of `store` can't be reached or does not answer in time.
    pub async fn is_of(&self, store: &Store) -> Result<bool, StoreError> {
        let sql = store.sql(OWN_TABLE);
        let own = store.read(async |client| {
            let rows = client.query_typed(&sql, &[]).await?;
            match rows.first().and_then(|row| row.get::<_, Option<u32>>(0)) {
                Some(oid) => identity(client, oid).await.map(Some),
                None => Ok(None),
            }
        });
        Ok(own.await?.is_some_and(|own| own == self.identity))
    }

    /// Starts to read all rows, in the order of the columns `order`. Returns the number of rows.
    ///
    /// # Errors
    /// When the connection breaks, or this role may not read all rows.
    pub async fn start(&self, order: &[&str]) -> Result<u64, StoreError> {
        let table = &self.sql;
        let order: Vec<String> = order.iter().map(|column| format!("t.{}", quoted(column))).collect();
        let order = if order.is_empty() { String::new() } else { format!("ORDER BY {}", order.join(", ")) };
        let declare = format!(
            "DECLARE oasis_import NO SCROLL CURSOR FOR SELECT row_to_json(t)::text FROM {table} AS t {order}"
        );
        self.client.batch_execute(&declare).await?;
        let rows = self.client.query_typed(&format!("SELECT count(*) FROM {table}"), &[]).await?;
        Ok(rows.first().and_then(|row| u64::try_from(row.get::<_, i64>(0)).ok()).unwrap_or_default())
    }

    /// Reads the next rows, each as a JSON object. Returns at most `most` rows, and none after the last row.
    ///
    /// # Errors
    /// When the connection breaks, or this role may not read all rows.
    pub async fn next(&self, most: u16) -> Result<Vec<String>, StoreError> {
        let fetch = format!("FETCH {most} FROM oasis_import");
        let rows = self.client.query_typed(&fetch, &[]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

async fn connect(url: &DatabaseUrl) -> Result<Client, StoreError> {
    // The `connect_timeout` of the driver covers the TCP connection, but not the login.
    let (client, connection) = timeout(CONNECT_WITHIN, url.named("oasis import").connect(url.tls()?))
        .await
        .map_err(|_| StoreError::Slow(CONNECT_WITHIN))?
        .map_err(|error| StoreError::Connect(chain(&error)))?;
    // The driver ends with the client. Its error would only repeat the error of a statement.
    tokio::spawn(connection);
    Ok(client)
}

async fn identity(client: &Client, oid: u32) -> Result<String, tokio_postgres::Error> {
    let rows = client.query_typed(IDENTITY, &[(&oid, Type::OID)]).await?;
    Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
}

/// A table that a name may mean.
#[derive(Debug)]
struct Candidate {
    oid: u32,
    schema: String,
    name: String,
    /// Whether SQL finds the table without the name of the schema.
    is_visible: bool,
}

impl Candidate {
    fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    fn is_called(&self, name: &str) -> bool {
        name == self.name || name == self.full_name()
    }

    fn is_called_ignoring_case(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.name) || name.eq_ignore_ascii_case(&self.full_name())
    }
}

/// The table that a name means. The exact name counts more than a name in another case, and a table that SQL
/// finds without a schema counts more than the tables of other schemas.
fn choose<'a>(tables: &'a [Candidate], given: &str) -> Result<&'a Candidate, SourceError> {
    let name = given.replace('"', "");
    let exact = |table: &&Candidate| table.is_called(&name);
    let similar = |table: &&Candidate| table.is_called_ignoring_case(&name);
    let mut found: Vec<&Candidate> = tables.iter().filter(exact).collect();
    if found.is_empty() {
        found = tables.iter().filter(similar).collect();
    }
    if found.iter().any(|table| table.is_visible) {
        found.retain(|table| table.is_visible);
    }
    match found.as_slice() {
        [table] => Ok(table),
        [] => {
            let mut names: Vec<String> = tables.iter().take(NAMED).map(Candidate::full_name).collect();
            if tables.len() > NAMED {
                names.push(format!("{} others", tables.len() - NAMED));
            }
            let tables = if names.is_empty() { "no tables".to_owned() } else { names.join(", ") };
            Err(SourceError::Missing { name: given.to_owned(), tables })
        }
        several => {
            let tables = several.iter().map(|table| table.full_name()).collect::<Vec<_>>().join(", ");
            Err(SourceError::Ambiguous { name: given.to_owned(), tables })
        }
    }
}

/// Makes `name` an SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_exact_table_then_the_visible_one() {
        let table = |schema: &str, name: &str, is_visible| Candidate {
            oid: 1,
            schema: schema.into(),
            name: name.into(),
            is_visible,
        };
        let tables = [
            table("app", "oasis_events", false),
            table("devhub", "oasis_events", false),
            table("public", "OasisEvent", true),
            table("public", "oasis_events", true),
        ];
        let chosen = |tables: &[Candidate], name: &str| choose(tables, name).map(Candidate::full_name);
        for (name, full) in [
            ("oasis_events", "public.oasis_events"),
            ("APP.oasis_events", "app.oasis_events"),
            ("\"OasisEvent\"", "public.OasisEvent"),
            ("oasisevent", "public.OasisEvent"),
            ("public.\"OasisEvent\"", "public.OasisEvent"),
        ] {
            assert_eq!(chosen(&tables, name).unwrap(), full);
        }
        let several = chosen(&tables[..2], "oasis_events").unwrap_err().to_string();
        assert!(several.contains("choose one of app.oasis_events, devhub.oasis_events"), "{several}");
        let none = chosen(&tables[2..], "events").unwrap_err().to_string();
        assert!(none.contains("no table events; it has public.OasisEvent, public.oasis_events"), "{none}");
    }
}
