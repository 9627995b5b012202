//! The migrations as they are embedded in the program, and the schema that they are for.
//!
//! `{schema}` in a migration stands for the schema that holds the tables. The checksum in the history is
//! that of the file, so it is the same in every schema. The name of a schema must not hold a quote, a
//! dollar sign or a backslash, because migrations have it in literals too.

use refinery::Migration;

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// The schema that holds the tables.
pub(super) const SCHEMA: &str = "public";
/// A schema that is made and rolled back to compare the tables of the older migrations with the present ones.
pub(super) const SCRATCH: &str = "oasis_scratch";

/// One migration.
pub(crate) struct Step {
    /// Its place: 1, 2, …
    pub(crate) version: i64,
    /// `oasis_events` for the file `V1__oasis_events.sql`.
    pub(crate) name: String,
    /// Of version, name and file, as refinery makes it.
    pub(crate) checksum: u64,
    /// The file, with `{schema}` in it.
    file: String,
}

impl Step {
    /// Its statements, for the tables in `schema`.
    pub(super) fn sql(&self, schema: &str) -> String {
        in_schema(&self.file, schema)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "V{}__{}", self.version, self.name)
    }
}

/// All steps, oldest first.
pub(crate) fn steps() -> Vec<Step> {
    let runner = embedded::migrations::runner();
    let step = |migration: &Migration| Step {
        version: migration.version(),
        name: migration.name().to_owned(),
        checksum: migration.checksum(),
        file: migration.sql().unwrap_or_default().to_owned(),
    };
    let mut steps: Vec<Step> = runner.get_migrations().iter().map(step).collect();
    steps.sort_by_key(|step| step.version);
    steps
}

/// Puts the name of a schema, as an identifier, where `sql` says `{schema}`.
pub(super) fn in_schema(sql: &str, schema: &str) -> String {
    // Functions hold the text, and the older migrations said public without quotes.
    let quoted = if schema == "public" { schema.to_owned() } else { format!("\"{schema}\"") };
    sql.replace("{schema}", &quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never change a checksum here: there are databases with these steps. A file that changed would no
    /// longer say what they hold, and `oasis migrate` would refuse them all. A new step makes the change,
    /// and its checksum is added here.
    #[test]
    fn steps_never_change() {
        let steps: Vec<_> = steps().iter().map(|step| (step.to_string(), step.checksum)).collect();
        let known = [
            ("V1__oasis_events", 11_245_318_916_352_128_076),
            ("V2__channels", 14_911_848_166_013_165_719),
            ("V3__checks_are_valid", 13_302_032_860_586_536_464),
        ];
        assert_eq!(steps, known.map(|(name, checksum)| (name.to_owned(), checksum)));
    }

    #[test]
    fn the_schema_is_a_placeholder() {
        for step in steps() {
            assert!(!step.file.contains("public."), "{step}");
            assert!(!step.file.lines().any(|line| line.len() > 110), "{step}");
            let elsewhere = step.sql("else where");
            assert!(
                elsewhere.contains("\"else where\".oasis_events") && !elsewhere.contains("{schema}"),
                "{step}"
            );
        }
    }
}
