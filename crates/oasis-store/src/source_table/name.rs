//! Finds the table that a name refers to.

use super::error::SourceError;

/// The maximum number of tables that an error names.
const NAMED: usize = 20;

/// A table that a name may refer to.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    /// The name in SQL, with the schema.
    pub(super) quoted: String,
    /// Whether SQL finds the table without the name of the schema.
    pub(super) is_visible: bool,
}

impl Candidate {
    /// Whether `given` is exactly the name of the table, with or without its schema and quotes.
    fn is_called(&self, given: &str) -> bool {
        let table = quoted(&self.name);
        let full = [
            format!("{}.{}", self.schema, self.name),
            format!("{}.{table}", self.schema),
            format!("{}.{table}", quoted(&self.schema)),
        ];
        given == self.name || given == table || given == self.quoted || full.iter().any(|name| name == given)
    }

    fn is_called_ignoring_case(&self, given: &str) -> bool {
        let full = format!("{}.{}", self.schema, self.name);
        given.eq_ignore_ascii_case(&self.name) || given.eq_ignore_ascii_case(&full)
    }
}

/// The table that a name refers to. Tables with exactly this name come before tables whose name differs in
/// case. Among these, a table that SQL finds without a schema comes before the tables of other schemas.
pub(super) fn choose<'a>(tables: &'a [Candidate], given: &str) -> Result<&'a Candidate, SourceError> {
    let mut found: Vec<&Candidate> = tables.iter().filter(|table| table.is_called(given)).collect();
    if found.is_empty() {
        found = tables.iter().filter(|table| table.is_called_ignoring_case(given)).collect();
    }
    if found.iter().any(|table| table.is_visible) {
        found.retain(|table| table.is_visible);
    }
    match found.as_slice() {
        [table] => Ok(table),
        [] => {
            let mut names: Vec<String> =
                tables.iter().take(NAMED).map(|table| table.quoted.clone()).collect();
            if tables.len() > NAMED {
                names.push(format!("{} others", tables.len() - NAMED));
            }
            let tables = if names.is_empty() { "no tables".to_owned() } else { names.join(", ") };
            Err(SourceError::Missing { name: given.to_owned(), tables })
        }
        several => {
            let tables = several.iter().map(|table| table.quoted.as_str()).collect::<Vec<_>>().join(", ");
            Err(SourceError::Ambiguous { name: given.to_owned(), tables })
        }
    }
}

/// Makes `name` an SQL identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_name_is_preferred_and_then_a_visible_table() {
        let table = |schema: &str, name: &str, quoted: &str, is_visible| Candidate {
            oid: 1,
            schema: schema.into(),
            name: name.into(),
            quoted: quoted.into(),
            is_visible,
        };
        let tables = [
            table("app", "oasis_events", "app.oasis_events", false),
            table("devhub", "oasis_events", "devhub.oasis_events", false),
            table("public", "OasisEvent", "public.\"OasisEvent\"", true),
            table("public", "oasis_events", "public.oasis_events", true),
            table("public", "a\"b", "public.\"a\"\"b\"", true),
        ];
        let chosen =
            |tables: &[Candidate], name: &str| choose(tables, name).map(|table| table.quoted.clone());
        for (name, quoted) in [
            ("oasis_events", "public.oasis_events"),
            ("APP.oasis_events", "app.oasis_events"),
            ("\"OasisEvent\"", "public.\"OasisEvent\""),
            ("oasisevent", "public.\"OasisEvent\""),
            ("public.\"OasisEvent\"", "public.\"OasisEvent\""),
            ("a\"b", "public.\"a\"\"b\""),
            ("\"a\"\"b\"", "public.\"a\"\"b\""),
        ] {
            assert_eq!(chosen(&tables, name).unwrap(), quoted);
        }
        assert!(choose(&tables, "\"oasisevent\"").is_err());
        let several = chosen(&tables[..2], "oasis_events").unwrap_err().to_string();
        assert!(several.contains("choose one of app.oasis_events, devhub.oasis_events"), "{several}");
        let none = chosen(&tables[2..4], "events").unwrap_err().to_string();
        assert!(none.contains("no table events; it has public.\"OasisEvent\", public.oasis"), "{none}");
    }
}
