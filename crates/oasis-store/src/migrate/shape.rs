//! [`TableShape`]: how a table `oasis_events` differs from the table that the migrations create. Another
//! application may have a table with this name.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::schema::Schema;

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

/// The differences between a table `oasis_events` and the table that the migrations create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableShape {
    /// The columns that are missing or have another type. If there are any, the table can't be used.
    pub(crate) conflicts: Vec<String>,
    /// The columns that the first migration does not create.
    unexpected: Vec<String>,
}

impl TableShape {
    /// Reads the shape of the table in `schema`. `None` if there is no such table.
    pub(crate) async fn read(
        client: &Client,
        schema: &Schema,
    ) -> Result<Option<Self>, tokio_postgres::Error> {
        // With `quote_all_identifiers`, PostgreSQL puts the names of some types in quotes.
        let sql = "SELECT a.attname::text, replace(format_type(a.atttypid, NULL), '\"', '') FROM pg_class c \
                   LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                   WHERE c.oid = to_regclass('{schema}.oasis_events')";
        let rows = client.query_typed(&schema.sql(sql), &[]).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let columns: BTreeMap<String, String> = rows
            .iter()
            .filter_map(|row| Some((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?)))
            .collect();
        let conflict = |(name, expected): (&str, &str)| match columns.get(name) {
            None => Some(format!("column {name} is missing")),
            Some(found) if found != expected => Some(format!("column {name} is {found}, not {expected}")),
            Some(_) => None,
        };
        let is_unexpected = |name: &&String| COLUMNS.iter().all(|(expected, _)| expected != name);
        Ok(Some(Self {
            conflicts: COLUMNS.into_iter().filter_map(conflict).collect(),
            unexpected: columns
                .keys()
                .filter(is_unexpected)
                .map(|name| format!("column {name} is unexpected"))
                .collect(),
        }))
    }

    /// All differences of a table without a history of migrations.
    pub(super) fn differences(&self) -> String {
        let history = "the table oasis_schema_history is missing".to_owned();
        let all: Vec<String> =
            self.conflicts.iter().chain(&self.unexpected).cloned().chain([history]).collect();
        all.join("; ")
    }

    /// The reason why no service can use the table in `schema`. The reason says what to do.
    pub(crate) fn reason(&self, schema: &Schema) -> String {
        /// A table of another application differs in nearly every column. A few examples are enough.
        const NAMED: usize = 3;
        let named = match &self.conflicts[..] {
            [] => "it has no history of migrations".to_owned(),
            all if all.len() > NAMED => format!("{} and {} more", all[..NAMED].join(", "), all.len() - NAMED),
            all => all.join(", "),
        };
        let another = schema.another();
        format!(
            "the table {schema}.oasis_events is not from OASIS DevHub ({named}): set OASIS_SCHEMA to another \
             schema, such as OASIS_SCHEMA={another}, and run `oasis migrate`, or rename that table"
        )
    }
}
