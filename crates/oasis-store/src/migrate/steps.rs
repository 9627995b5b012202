//! The migrations that are embedded in the program.
//!
//! A migration has placeholders for the schema of the tables (see [`Schema::sql`]). The history contains the
//! checksum of the file before the placeholders are replaced, so the checksum is the same for every schema.

use refinery::Migration;

use crate::schema::Schema;

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// One migration.
pub(crate) struct Step {
    /// The number of the migration: 1, 2, …
    pub(crate) version: i64,
    /// The name of the migration, such as `oasis_events` for the file `V1__oasis_events.sql`.
    pub(crate) name: String,
    /// The checksum of version, name and file, as refinery computes it.
    pub(crate) checksum: u64,
    /// The text of the file, before it is rendered for a schema.
    file: String,
}

impl Step {
    /// The SQL of the step, for tables in `schema`.
    pub(super) fn sql(&self, schema: &Schema) -> String {
        schema.sql(&self.file)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Never change a checksum here. Databases have these steps in their history. If a file changed, the
    /// history would no longer say what a database contains, and `oasis migrate` would refuse the database.
    /// Make changes in a new step, and add its checksum here.
    #[test]
    fn the_files_of_the_steps_never_change() {
        let steps: Vec<_> = steps().iter().map(|step| (step.to_string(), step.checksum)).collect();
        let known = [
            ("V1__oasis_events", 11_245_318_916_352_128_076),
            ("V2__channels", 14_911_848_166_013_165_719),
            ("V3__checks_are_valid", 13_302_032_860_586_536_464),
            ("V4__open_doors", 5_840_710_828_034_237_991),
            ("V5__wider_checks_are_valid", 9_712_597_620_300_686_512),
            ("V6__notifications_of_the_schema", 10_761_928_237_354_929_278),
            ("V7__private_streams", 618_983_103_387_533_079),
            ("V8__resources", 7_991_893_777_297_734_144),
            ("V9__wider_places", 15_194_194_585_333_636_737),
            ("V10__states_of_casts", 3_724_563_844_404_621_613),
            ("V11__casts", 8_670_575_938_431_966_676),
            ("V12__places", 1_580_554_485_049_096_952),
            ("V13__bounded_writers", 12_279_271_358_507_573_168),
        ];
        assert_eq!(steps, known.map(|(name, checksum)| (name.to_owned(), checksum)));
    }

    #[test]
    fn every_step_uses_the_placeholder_for_the_schema() {
        for step in steps() {
            assert!(!step.file.contains("public."), "{step}");
            assert!(!step.file.lines().any(|line| line.len() > 110), "{step}");
            let elsewhere = step.sql(&"elsewhere".parse().unwrap());
            assert!(elsewhere.contains("\"elsewhere\".oasis_"), "{step}");
        }
    }
}
