//! The transactions that bring a schema up to date: one for the history of migrations, then one for each
//! step. `oasis migrate` sends them one by one. `oasis migrate --print` prints the same transactions as a
//! script for psql or any other client.
//!
//! A transaction sets everything that it depends on, and holds its lock itself. So nothing remains in the
//! session, which a pooler may give to another client.

use super::steps::{Step, steps};
use crate::schema::{SCRATCH, Schema};

/// The key of the advisory lock that only one migrator of the schema `public` holds at a time ("oasis" in
/// ASCII).
const LOCK: i64 = 0x006f_6173_6973;
/// How long a transaction waits for a lock.
const WAIT: &str = "30 s";
/// The name of the first transaction.
const HISTORY: &str = "the history step";

/// The version, name and checksum of each older migration. The first step replaced these migrations before
/// the first release.
const OLDER: [(i64, &str, u64); 6] = [
    (1, "oasis_events", 1_710_496_114_106_011_917),
    (2, "cheaper_checks", 12_354_579_570_162_891_860),
    (3, "pages_by_time", 14_571_873_025_161_614_614),
    (4, "checks_are_valid", 1_209_747_550_111_116_053),
    (5, "deploy_watcher", 1_808_392_638_879_437_170),
    (6, "agents", 11_641_559_178_483_061_841),
];

/// A transaction of a migration. If its work has been done before, the transaction does nothing.
pub(super) struct Transaction {
    /// What the transaction does, such as `V1__oasis_events`.
    pub(super) name: String,
    /// The statements, from `BEGIN` to `COMMIT`.
    pub(super) sql: String,
}

/// The migrations of `schema` as plain SQL for psql or any other client. The script consists of the
/// transactions that [`migrate_in`](crate::migrate_in) sends.
pub fn migration_script(schema: &Schema) -> String {
    let mut script =
        "-- The schema of OASIS DevHub. You can run this script again: it skips applied steps.\n\
                      -- For psql: psql -v ON_ERROR_STOP=1 -f FILE\n"
            .to_owned();
    for transaction in transactions(schema) {
        script.push('\n');
        script.push_str(&transaction.sql);
    }
    script
}

/// The transactions that bring `schema` up to date, in the order in which they must run.
pub(super) fn transactions(schema: &Schema) -> Vec<Transaction> {
    let steps = steps();
    let mut transactions = vec![Transaction { name: HISTORY.into(), sql: history(schema, &steps) }];
    let mut before = None;
    for step in &steps {
        transactions.push(Transaction { name: step.to_string(), sql: apply(schema, step, before) });
        before = Some(step);
    }
    transactions
}

/// The text of the notice that the server sends if it applies `step`.
pub(super) fn notice(step: &Step) -> String {
    format!("applied {step}")
}

/// The transaction that prepares the history of migrations. It creates the schema and the table of the
/// history if they are missing, and fails if `steps` can't continue from the migrations in the history. If
/// the history contains the older migrations, and the tables are the same as the tables that the first step
/// creates, the transaction replaces the entries of the history with the entry of the first step.
fn history(schema: &Schema, steps: &[Step]) -> String {
    let list = |steps: Vec<(i64, &str, u64)>| {
        let steps: Vec<String> = steps
            .iter()
            .map(|(version, name, checksum)| format!("[{version}, \"{name}\", \"{checksum}\"]"))
            .collect();
        format!("[{}]", steps.join(", "))
    };
    let known = steps.iter().map(|step| (step.version, step.name.as_str(), step.checksum)).collect();
    let first = steps.first().map(|step| step.sql(&Schema::scratch())).unwrap_or_default();
    transaction(schema, include_str!("history.sql"))
        .replace("{known}", &list(known))
        .replace("{older}", &list(OLDER.to_vec()))
        .replace("{another}", schema.another())
        .replace("{scratch}", SCRATCH)
        .replace("{describe}", include_str!("describe.sql"))
        .replace("{first_step}", &first)
}

/// The transaction that applies a step and records the step in the history. If the history already contains
/// the step, the transaction does nothing.
fn apply(schema: &Schema, step: &Step, before: Option<&Step>) -> String {
    let previous = before.map_or_else(|| "NULL".to_owned(), |before| format!("'{}'", before.checksum));
    transaction(schema, include_str!("step.sql"))
        .replace("{notice}", &notice(step))
        .replace("{version}", &step.version.to_string())
        .replace("{name}", &step.name)
        .replace("{checksum}", &step.checksum.to_string())
        .replace("{previous}", &previous)
        .replace("{sql}", &step.sql(schema))
}

/// A transaction that runs `work`, with the settings and the lock that each migration needs.
fn transaction(schema: &Schema, work: &str) -> String {
    let lock = if schema.is_public() {
        LOCK.to_string()
    } else {
        "hashtextextended('{prefix}oasis_schema_history', 0)".to_owned()
    };
    let template = [include_str!("begin.sql"), work, "COMMIT;\n"].concat();
    let template = template.replace("{take_lock}", include_str!("lock.sql")).replace("{lock}", &lock);
    schema.sql(&template).replace("{wait}", WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with any encoding must be able to read the script, because the script reports an encoding
    /// other than UTF8.
    #[test]
    fn the_script_has_only_ascii_characters_and_no_placeholder_is_left() {
        for name in ["public", "devhub"] {
            let script = migration_script(&name.parse().unwrap());
            assert!(script.is_ascii());
            let is_name =
                |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let braces = script.split('{').skip(1).filter_map(|rest| rest.split('}').next());
            assert_eq!(braces.filter(is_name).collect::<Vec<_>>(), [""; 0]);
        }
    }

    /// Earlier versions of the programs also use these names in the schema `public`.
    #[test]
    fn the_lock_and_the_notifications_of_public_keep_their_names() {
        let script = migration_script(&Schema::default());
        assert!(script.contains("pg_advisory_xact_lock(478376323443)"));
        assert!(script.contains("pg_notify('oasis_events', '')"));
        let script = migration_script(&"devhub".parse().unwrap());
        assert!(!script.contains("478376323443") && !script.contains("public."));
        assert!(script.contains("pg_notify('devhub.oasis_events', '')"));
    }
}
