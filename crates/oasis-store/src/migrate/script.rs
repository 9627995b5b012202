//! The statements that bring a database up to date: one for the history of migrations, then one for each
//! step. `oasis migrate` sends them one by one. `oasis migrate --print` prints them as a script for psql or
//! any other client.

use super::steps::{SCHEMA, SCRATCH, Step, in_schema, steps};

/// The key of the advisory lock that only one migrator holds at a time ("oasis" in ASCII).
pub(super) const LOCK: i64 = 0x006f_6173_6973;

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

/// The settings of the session. A step may take longer than the usual time limit of statements.
pub(super) const SETTINGS: &str = "SET statement_timeout = 0";

/// The migrations as plain SQL for psql or any other client. Like [`migrate`](crate::migrate), the script
/// applies the missing steps and records these steps in the history. Each step is one statement, and
/// therefore one transaction.
pub fn migration_script() -> String {
    let steps = steps();
    let mut script = format!(
        "-- The schema of OASIS DevHub. You can run this script again: it skips applied steps.\n\
         -- For psql: psql -v ON_ERROR_STOP=1 -f FILE\n{SETTINGS};\n\n{}",
        history(&steps)
    );
    for (nth, step) in steps.iter().enumerate() {
        script.push('\n');
        script.push_str(&apply(step, nth.checked_sub(1).map(|before| &steps[before])));
    }
    script
}

/// The statement that prepares the history of migrations. It creates the table of the history if the table is
/// missing, and fails if `steps` can't continue from the migrations in the history. If the history contains
/// the older migrations, and the tables are the same as the tables that the first step creates, the statement
/// replaces the entries of the history with the entry of the first step.
pub(super) fn history(steps: &[Step]) -> String {
    let list = |steps: Vec<(i64, &str, u64)>| {
        let steps: Vec<String> = steps
            .iter()
            .map(|(version, name, checksum)| format!("[{version}, \"{name}\", \"{checksum}\"]"))
            .collect();
        format!("[{}]", steps.join(", "))
    };
    let known = steps.iter().map(|step| (step.version, step.name.as_str(), step.checksum)).collect();
    let first = steps.first().map(|step| step.sql(SCRATCH)).unwrap_or_default();
    in_schema(include_str!("history.sql"), SCHEMA)
        .replace("{known}", &list(known))
        .replace("{older}", &list(OLDER.to_vec()))
        .replace("{lock}", &LOCK.to_string())
        .replace("{schema_name}", SCHEMA)
        .replace("{scratch}", SCRATCH)
        .replace("{scratch_name}", SCRATCH)
        .replace("{describe}", include_str!("describe.sql"))
        .replace("{first_step}", &first)
}

/// The statement that applies a step and records the step in the history. If the history already contains the
/// step, the statement does nothing.
pub(super) fn apply(step: &Step, before: Option<&Step>) -> String {
    let previous = before.map_or_else(|| "NULL".to_owned(), |before| format!("'{}'", before.checksum));
    in_schema(include_str!("step.sql"), SCHEMA)
        .replace("{lock}", &LOCK.to_string())
        .replace("{version}", &step.version.to_string())
        .replace("{name}", &step.name)
        .replace("{checksum}", &step.checksum.to_string())
        .replace("{previous}", &previous)
        .replace("{sql}", &step.sql(SCHEMA))
}
