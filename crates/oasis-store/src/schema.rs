//! [`Schema`]: the schema that holds the tables, and the rendering of SQL for that schema.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The default schema. Its notification channel and its lock keys have no prefix.
const PUBLIC: &str = "public";
/// The schema in which `oasis migrate` creates tables for a comparison. Its creation is always rolled back.
pub(crate) const SCRATCH: &str = "oasis_scratch";
/// The maximum length of a name. PostgreSQL cuts names at 63 bytes, and the name of the notification channel
/// contains the name of the schema.
const MAX_LENGTH: usize = 41;

/// The name of the schema that holds the tables of OASIS DevHub. Several schemas of one database do not
/// affect each other: each schema has its own tables, notification channel, locks and history of migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema(Cow<'static, str>);

/// The reason why a text is not the name of a schema for OASIS DevHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The text is empty or too long, contains other characters, or begins with a digit.
    #[error("expected 1 to {MAX_LENGTH} characters a-z, 0-9 and _, and no digit at the beginning")]
    Name,
    /// The name belongs to PostgreSQL, or `oasis migrate` uses the schema for comparisons.
    #[error("this name is reserved: choose another name, such as devhub")]
    Reserved,
}

impl Default for Schema {
    fn default() -> Self {
        Self(Cow::Borrowed(PUBLIC))
    }
}

impl FromStr for Schema {
    type Err = SchemaError;

    fn from_str(name: &str) -> Result<Self, SchemaError> {
        let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
        let fits = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !(starts_well && fits && name.len() <= MAX_LENGTH) {
            return Err(SchemaError::Name);
        }
        if name.starts_with("pg_") || name == "information_schema" || name == SCRATCH {
            return Err(SchemaError::Reserved);
        }
        Ok(Self(Cow::Owned(name.to_owned())))
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Schema {
    /// The schema for comparisons. No service uses it.
    pub(crate) fn scratch() -> Self {
        Self(Cow::Borrowed(SCRATCH))
    }

    /// Whether this is the default schema.
    pub(crate) fn is_public(&self) -> bool {
        self.0 == PUBLIC
    }

    /// Another schema, as an example for a user who can't use this schema.
    pub(crate) fn another(&self) -> &'static str {
        if self.0 == "devhub" { "oasis_devhub" } else { "devhub" }
    }

    /// Renders a statement or a migration for this schema. All SQL of this crate is rendered here.
    ///
    /// - `{schema}` becomes the identifier of the schema. It precedes the name of each table and function.
    /// - `{schema_name}` becomes the name of the schema, for use in a literal.
    /// - `{prefix}` becomes the prefix for the name of a notification channel or a lock. Such a name belongs
    ///   to the whole database, so the prefix contains the name of the schema. The prefix of `public` is
    ///   empty.
    pub(crate) fn sql(&self, template: &str) -> String {
        let name = &self.0;
        // PostgreSQL stores the text of functions. The functions of existing databases contain `public`
        // without quotes. All other names have quotes, because a name may be a keyword, such as `user`.
        let (identifier, prefix) = if self.is_public() {
            (PUBLIC.to_owned(), String::new())
        } else {
            (format!("\"{name}\""), format!("{name}."))
        };
        template.replace("{schema}", &identifier).replace("{schema_name}", name).replace("{prefix}", &prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_plain_and_not_reserved() {
        for good in ["public", "devhub", "_x", "user", "a1_b", &"a".repeat(41)] {
            assert_eq!(good.parse::<Schema>().map(|schema| schema.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "1a", "Devhub", "a-b", "a b", "a\"b", "a.b", "é", &"a".repeat(42)] {
            assert_eq!(bad.parse::<Schema>(), Err(SchemaError::Name), "{bad}");
        }
        for reserved in ["pg_catalog", "pg_mine", "information_schema", "oasis_scratch"] {
            assert_eq!(reserved.parse::<Schema>(), Err(SchemaError::Reserved), "{reserved}");
        }
    }

    #[test]
    fn names_outside_the_schema_have_a_prefix_except_in_public() {
        let sql = "SELECT '{schema_name}', '{prefix}oasis_events' FROM {schema}.oasis_events";
        let public = "SELECT 'public', 'oasis_events' FROM public.oasis_events";
        assert_eq!(Schema::default().sql(sql), public);
        let user: Schema = "user".parse().unwrap();
        assert_eq!(user.sql(sql), "SELECT 'user', 'user.oasis_events' FROM \"user\".oasis_events");
    }
}
