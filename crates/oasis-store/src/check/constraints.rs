//! Compares the CHECK constraints of `oasis_events` with the constraints that the migrations create. The
//! constraints may differ even if all migrations were applied. For example, a session with
//! `standard_conforming_strings = off` creates other regular expressions from the same statements.

use tokio_postgres::Client;

use crate::schema::Schema;

/// Reads the constraints. PostgreSQL prints constants in the format of the session, so the statement sets all
/// settings that have an effect. The settings end with the statement.
const READ: &str = "\
    WITH settings AS MATERIALIZED (SELECT set_config('search_path', 'pg_catalog', true), \
      set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, YMD', true), \
      set_config('standard_conforming_strings', 'on', true), \
      set_config('quote_all_identifiers', 'off', true)) \
    SELECT c.conname::text, pg_get_constraintdef(c.oid) FROM settings CROSS JOIN pg_constraint AS c \
    WHERE c.contype = 'c' AND c.conrelid = '{schema}.oasis_events'::regclass";

/// The constraints that the migrations create.
const EXPECTED: &str = include_str!("constraints.sql");

/// A sentence for each constraint that is missing or has another definition. Constraints that users added are
/// accepted.
pub(super) async fn differences(
    client: &Client,
    schema: &Schema,
) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = client.query_typed(&schema.sql(READ), &[]).await?;
    let found = |name: &str| rows.iter().find(|row| row.get::<_, &str>(0) == name).map(|row| row.get(1));
    let difference = |(name, expected): (&str, String)| {
        let found: Option<&str> = found(name);
        let what = match found {
            None => "is missing".to_owned(),
            Some(found) if same(found, &expected) => return None,
            Some(found) => format!("is {found}, but the migrations create another one"),
        };
        let mend = format!(
            "SET standard_conforming_strings = on; ALTER TABLE {{schema}}.oasis_events \
             DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} {expected}"
        );
        Some(format!("the constraint {name} {what}: run {}", schema.sql(&mend)))
    };
    Ok(expected().filter_map(difference).collect())
}

/// The name and the definition of each constraint that the migrations create.
fn expected() -> impl Iterator<Item = (&'static str, String)> {
    EXPECTED.split("ADD CONSTRAINT ").skip(1).filter_map(|text| {
        let (name, definition) = text.trim_end().trim_end_matches([',', ';']).split_once(' ')?;
        Some((name, definition.split_whitespace().collect::<Vec<_>>().join(" ")))
    })
}

/// Whether two definitions have the same tokens. Parentheses do not count, because a restore from a dump
/// removes some of them. `NOT VALID` does not count either, because the constraint applies to new rows.
fn same(found: &str, expected: &str) -> bool {
    fn tokens(definition: &str) -> String {
        // Every second part is a literal.
        let parts = definition.trim_end_matches(" NOT VALID").split('\'').enumerate();
        let part = |(nth, part): (usize, &str)| match nth % 2 {
            0 => part.replace(['(', ')', ' ', '\n'], ""),
            _ => format!("'{part}'"),
        };
        parts.map(part).collect()
    }
    tokens(found) == tokens(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_outside_of_literals_do_not_count() {
        let printed = "CHECK (((octet_length(kind) <= 64) AND (kind ~ '^[a-z](a)$'::text)))";
        for equal in [
            "CHECK ((octet_length(kind) <= 64 AND kind ~ '^[a-z](a)$'::text))",
            "CHECK (((octet_length(kind) <= 64) AND (kind ~ '^[a-z](a)$'::text))) NOT VALID",
        ] {
            assert!(same(equal, printed), "{equal}");
        }
        for other in [
            "CHECK (((octet_length(kind) <= 65) AND (kind ~ '^[a-z](a)$'::text)))",
            "CHECK (((octet_length(kind) <= 64) AND (kind ~ '^[a-z]a$'::text)))",
            "CHECK (((octet_length(kind) <= 64) AND (kind ~ '^[a-z] (a)$'::text)))",
            "CHECK (((octet_length(kind) <= 64) AND (kind ~ '^[a-z](a)$'::text))) NOT ENFORCED",
        ] {
            assert!(!same(other, printed), "{other}");
        }
    }
}
