//! [`SourceTable`]: a table that another application made, whose rows `oasis import` reads.

use std::collections::HashMap;

use oasis_core::Ts;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::config::DatabaseUrl;
use crate::error::StoreError;
use crate::store::Store;

mod error;
mod name;

pub use error::SourceError;
use name::{Candidate, choose, quoted};

/// The settings end with the transaction, so no other client of a pooler gets them. With these settings, a
/// value has the same text in each import. With `row_security = off`, PostgreSQL reports an error instead of
/// leaving out the rows that this role may not see.
const BEGIN: &str = "\
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres'; \
    SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL lc_monetary = 'C'; \
    SET LOCAL row_security = off; SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL synchronize_seqscans = off; \
    SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'";

/// All tables and views, except those of PostgreSQL.
const TABLES: &str = "\
    SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, \
      format('%I.%I', n.nspname, c.relname) AS quoted, pg_table_is_visible(c.oid) AS visible \
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' \
      AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 2, 3";

/// The columns of a table. The key is the primary key. A table without a primary key has the key of the
/// unique index with the fewest columns, if none of these columns can be null.
const COLUMNS: &str = "\
    WITH keys AS (SELECT i.indexrelid, i.indisprimary, k.attnum \
        FROM pg_index AS i, unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) AS k(attnum) \
        WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid \
          AND i.indpred IS NULL AND i.indexprs IS NULL), \
      key AS (SELECT k.indexrelid FROM keys AS k \
        JOIN pg_attribute AS a ON a.attrelid = $1 AND a.attnum = k.attnum GROUP BY k.indexrelid \
        HAVING bool_and(a.attnotnull) ORDER BY bool_or(k.indisprimary) DESC, count(*), 1 LIMIT 1) \
    SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS type, \
      EXISTS (SELECT FROM keys JOIN key USING (indexrelid) WHERE keys.attnum = a.attnum) AS is_key \
    FROM pg_attribute AS a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// Identifies a table among all tables of all servers. A standby has the identifier of its primary. If this
/// role may not read the identifier, the time of the server's start takes its place.
const IDENTITY: &str = "SELECT concat_ws(' ', system_identifier, current_database(), $1::oid) \
    FROM pg_control_system()";
const IDENTITY_WITHOUT_RIGHT: &str =
    "SELECT concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), current_database(), $1::oid)";
const MAY_READ_IDENTITY: &str = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')";
const OWN_TABLE: &str = "SELECT to_regclass('{schema}.oasis_events')::oid";
/// The events that were stored with these dedup keys.
const STORED: &str = "SELECT dedup_key, ts, vtid, module, kind FROM {schema}.oasis_events \
    WHERE dedup_key = ANY($1)";

/// The types that PostgreSQL cannot sort.
const UNSORTED: [&str; 9] = ["json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle"];

/// The maximum number of rows that can't be read, and of such rows in succession.
const MOST_UNREADABLE: (u32, u32) = (100, 3);

/// A table that another application made. One transaction reads all rows, as they were when it began.
pub struct SourceTable {
    client: Client,
    /// The name in SQL, with the schema.
    sql: String,
    /// The names of the schema and of the table.
    name: [String; 2],
    columns: Vec<SourceColumn>,
    identity: String,
    /// The query for the rows. [`SourceTable::start`] sets it.
    query: String,
    /// The number of rows that were read or can't be read.
    read: u64,
    unreadable: u32,
}

/// A row of a [`SourceTable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// The row as a JSON object.
    pub json: String,
    /// The number of the row among the rows with the same key, from 1. In a table without a key, identical
    /// rows have the same key.
    pub copy: i64,
}

/// The fields of a stored event that show whether a row of a [`SourceTable`] is the same event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the docs of `Event` explain the fields")]
pub struct StoredBefore {
    pub ts: Ts,
    pub vtid: String,
    pub module: String,
    pub kind: String,
}

/// A column of a [`SourceTable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceColumn {
    /// The name.
    pub name: String,
    /// The name of the type, such as `timestamp with time zone`.
    pub type_name: String,
    /// Whether the column is a part of the key of the table.
    pub is_key: bool,
}

impl SourceTable {
    /// Finds a table by its name, such as `events`, `app.events` or `"OasisEvent"`. If no table has exactly
    /// this name, a name without quotes also finds a table whose name differs only in case.
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
                quoted: row.try_get("quoted")?,
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
        let (sql, name) = (found.quoted.clone(), [found.schema.clone(), found.name.clone()]);
        Ok(Self { client, sql, name, columns, identity, query: String::new(), read: 0, unreadable: 0 })
    }

    /// The name in SQL, with the schema.
    pub fn sql_name(&self) -> &str {
        &self.sql
    }

    /// The names of the schema and of the table.
    pub fn name(&self) -> &[String; 2] {
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

    /// Starts to read all rows in the order of their times. The time of a row is its first value in the
    /// columns `times` that is not null. Rows with the same time are in the order of the columns `keys`.
    /// Returns the number of rows.
    ///
    /// # Errors
    /// When the connection breaks, or this role may not read all rows.
    pub async fn start(&mut self, times: &[&str], keys: &[&str]) -> Result<u64, StoreError> {
        // If a column had the name of the alias, the alias would refer to the column.
        let mut row = "r".to_owned();
        while self.columns.iter().any(|column| column.name == row) {
            row.push('_');
        }
        let value = |column: &str| format!("{row}.{}", quoted(column));
        let sortable = |column: &&str| {
            let is_unsorted = |of: &SourceColumn| of.name == **column && UNSORTED.contains(&&*of.type_name);
            let cast = if self.columns.iter().any(is_unsorted) { "::text" } else { "" };
            format!("{}{cast}", value(column))
        };
        let time = match times {
            // The columns may have different types, so their texts are compared.
            [_, _, ..] => {
                let texts: Vec<String> = times.iter().map(|time| format!("{}::text", value(time))).collect();
                Some(format!("coalesce({}) COLLATE \"C\"", texts.join(", ")))
            }
            times => times.first().map(sortable),
        };
        let order: Vec<String> = time.into_iter().chain(keys.iter().map(sortable)).collect();
        let order = if order.is_empty() { String::new() } else { format!("ORDER BY {}", order.join(", ")) };
        let is_unique = !keys.is_empty()
            && self.columns.iter().all(|column| column.is_key == keys.contains(&column.name.as_str()));
        let copy = match keys {
            [] => format!("row_number() OVER (PARTITION BY row_to_json({row})::text)"),
            _ if is_unique => "1::bigint".to_owned(),
            keys => {
                let keys: Vec<String> = keys.iter().map(sortable).collect();
                format!("row_number() OVER (PARTITION BY {})", keys.join(", "))
            }
        };
        let table = &self.sql;
        // If the table has a key, each row is converted to JSON only when it is read.
        self.query = format!(
            "SELECT row_to_json(sorted.r)::text, sorted.copy \
             FROM (SELECT {row} AS r, {copy} AS copy FROM {table} AS {row} {order}) AS sorted"
        );
        let rows = self.client.query_typed(&format!("SELECT count(*) FROM {table}"), &[]).await?;
        self.client.batch_execute("SAVEPOINT oasis_import").await?;
        self.declare().await?;
        Ok(rows.first().and_then(|row| u64::try_from(row.get::<_, i64>(0)).ok()).unwrap_or_default())
    }

    /// Reads at most `most` rows. The result is empty after the last row. It contains an error for each row
    /// that the database can't output, and the next call continues after this row.
    ///
    /// # Errors
    /// When the connection breaks, or there are too many rows that the database can't output.
    pub async fn next(&mut self, most: u16) -> Result<Vec<Result<SourceRow, String>>, StoreError> {
        match self.fetch(most).await {
            Ok(rows) => Ok(rows.into_iter().map(Ok).collect()),
            Err(error) if error.is_about_data() => self.one_by_one(most).await,
            Err(error) => Err(error),
        }
    }

    /// Reads rows one by one, up to the first row that follows the rows that the database can't output. Each
    /// error ends the cursor, so this function declares a new one.
    async fn one_by_one(&mut self, most: u16) -> Result<Vec<Result<SourceRow, String>>, StoreError> {
        let mut rows = Vec::new();
        let mut failed = 0;
        self.declare_again().await?;
        while rows.len() < usize::from(most) {
            match self.fetch(1).await {
                Ok(row) if row.is_empty() => break,
                Ok(row) => rows.extend(row.into_iter().map(Ok)),
                Err(error) => {
                    failed += 1;
                    self.unreadable += 1;
                    let (in_all, in_succession) = MOST_UNREADABLE;
                    if !error.is_about_data() || self.unreadable > in_all || failed > in_succession {
                        return Err(error);
                    }
                    self.read += 1;
                    self.declare_again().await?;
                    rows.push(Err(error.to_string()));
                    continue;
                }
            }
            if failed > 0 {
                break;
            }
        }
        Ok(rows)
    }

    /// Declares a new cursor after an error. The transaction continues, so the rows are still those of the
    /// same moment.
    async fn declare_again(&self) -> Result<(), StoreError> {
        self.client.batch_execute("ROLLBACK TO SAVEPOINT oasis_import").await?;
        self.declare().await
    }

    /// Declares a cursor that begins after the rows that have been read.
    async fn declare(&self) -> Result<(), StoreError> {
        let (query, read) = (&self.query, self.read);
        let declare = format!("DECLARE oasis_import NO SCROLL CURSOR FOR {query} OFFSET {read}");
        Ok(self.client.batch_execute(&declare).await?)
    }

    async fn fetch(&mut self, most: u16) -> Result<Vec<SourceRow>, StoreError> {
        let rows = self.client.query_typed(&format!("FETCH {most} FROM oasis_import"), &[]).await?;
        self.read += rows.len() as u64;
        rows.iter().map(|row| Ok(SourceRow { json: row.try_get(0)?, copy: row.try_get(1)? })).collect()
    }
}

impl Store {
    /// The events that were stored with these dedup keys, by key.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn stored_with(&self, keys: &[&str]) -> Result<HashMap<String, StoredBefore>, StoreError> {
        let sql = self.sql(STORED);
        let rows =
            self.read(async |client| client.query_typed(&sql, &[(&keys, Type::TEXT_ARRAY)]).await).await?;
        rows.iter()
            .map(|row| {
                let stored = StoredBefore {
                    ts: Ts::clamped(row.try_get("ts")?),
                    vtid: row.try_get("vtid")?,
                    module: row.try_get("module")?,
                    kind: row.try_get("kind")?,
                };
                Ok((row.try_get("dedup_key")?, stored))
            })
            .collect()
    }
}

async fn connect(url: &DatabaseUrl) -> Result<Client, StoreError> {
    let (client, connection) = url.connect("oasis import").await?;
    // The driver ends when the client is dropped. An error of the driver would only repeat the error of a
    // statement.
    tokio::spawn(connection);
    Ok(client)
}

async fn identity(client: &Client, oid: u32) -> Result<String, tokio_postgres::Error> {
    let rights = client.query_typed(MAY_READ_IDENTITY, &[]).await?;
    let may = rights.first().is_some_and(|row| row.get(0));
    let sql = if may { IDENTITY } else { IDENTITY_WITHOUT_RIGHT };
    let rows = client.query_typed(sql, &[(&oid, Type::OID)]).await?;
    Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
}
