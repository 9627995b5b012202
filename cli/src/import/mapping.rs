//! Decides what each column of a table becomes, and makes events of rows.

use std::fmt;

use oasis_core::report::{Parts, shown};
use oasis_core::{DedupKey, Invalid, NewEvent, Source, Ts, repair_escapes};
use oasis_store::{SourceColumn, SourceTable};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use super::role::{Choice, Role, inferred, is_object};
use crate::output::Usage;

/// What each column of a table becomes.
#[derive(Debug)]
pub(super) struct Mapping {
    table: String,
    /// The columns in the order of their roles, and of one role in the order in which they count.
    columns: Vec<(SourceColumn, Role)>,
    /// The column whose time completes keys that consist of numbers, because another database may have the
    /// same numbers. The user's choices do not change this column, so they do not change the keys.
    key_time: Option<String>,
}

impl Mapping {
    /// Infers the mapping from the names and the types of the columns. `choices` override it.
    ///
    /// # Errors
    /// A choice names an unknown column, or no column becomes the kind.
    pub(super) fn infer(table: &SourceTable, choices: &[Choice]) -> Result<Self, Usage> {
        Self::of(table.name(), table.columns(), choices)
    }

    fn of(table: &str, columns: &[SourceColumn], choices: &[Choice]) -> Result<Self, Usage> {
        for choice in choices {
            if !columns.iter().any(|column| column.name == choice.column) {
                let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                let names = names.join(", ");
                return Err(Usage(format!("{table} has no column {}; it has {names}", choice.column)));
            }
        }
        let has_key = columns.iter().any(|column| column.is_key);
        let inferred: Vec<(Role, usize, &SourceColumn)> = columns
            .iter()
            .map(|column| {
                let (role, place) = inferred(column, has_key);
                (role, place, column)
            })
            .collect();
        let times = inferred.iter().filter(|(role, ..)| *role == Role::Ts);
        let key_time = times.min_by_key(|(_, place, _)| *place).map(|(.., column)| column.name.clone());
        let is_chosen = |role: Role| role != Role::Meta && choices.iter().any(|choice| choice.role == role);
        let mut ranked: Vec<(Role, usize, &SourceColumn)> = inferred
            .into_iter()
            .map(|(role, place, column)| {
                match choices.iter().position(|choice| choice.column == column.name) {
                    Some(place) => (choices[place].role, place, column),
                    None if is_chosen(role) => (Role::Meta, usize::MAX, column),
                    None => (role, place, column),
                }
            })
            .collect();
        ranked.sort_by_key(|(role, place, _)| (*role, *place));
        let columns = ranked.into_iter().map(|(role, _, column)| (column.clone(), role));
        let mapping = Self { table: table.to_owned(), columns: columns.collect(), key_time };
        if !mapping.has(Role::Kind) {
            return Err(Usage(format!(
                "no column of {table} says what happened: name one with --map kind=COLUMN"
            )));
        }
        Ok(mapping)
    }

    /// Whether a column has this role.
    pub(super) fn has(&self, role: Role) -> bool {
        self.columns.iter().any(|(_, of)| *of == role)
    }

    /// Makes the event of a row, which is a JSON object. `now` becomes the time of an event without a valid
    /// time.
    ///
    /// # Errors
    /// The row cannot be read.
    pub(super) fn event(&self, row: &str, now: Ts) -> anyhow::Result<NewEvent> {
        let mut fields: Map<String, Value> = serde_json::from_slice(&repair_escapes(row.as_bytes()))?;
        let dedup_key = self.dedup_key(&fields, row)?;
        let mut parts = Parts::default();
        for (column, role) in &self.columns {
            let value = fields.remove(&column.name).filter(|value| !value.is_null());
            let Some(value) = value else { continue };
            let part = match role {
                Role::Ts => &mut parts.ts,
                Role::Vtid => &mut parts.vtid,
                Role::Kind => &mut parts.kind,
                Role::Status => &mut parts.status,
                Role::Module => &mut parts.service,
                Role::Layer => &mut parts.layer,
                Role::Source => &mut parts.source,
                Role::Link => &mut parts.link,
                Role::Meta if is_object(column) => {
                    parts.objects.push((column.name.clone(), value));
                    continue;
                }
                Role::Key | Role::Meta => {
                    parts.rest.insert(column.name.clone(), value);
                    continue;
                }
            };
            if part.is_some() {
                parts.rest.insert(column.name.clone(), value);
            } else {
                *part = Some(if *role == Role::Ts { with_zone(value, &column.type_name) } else { value });
            }
        }
        if self.has(Role::Ts) {
            // The mark `ts_given` tells that the event has the time of the import.
            parts.ts.get_or_insert_with(|| "".into());
        }
        parts.kind.get_or_insert_with(|| "".into());
        let mut event = parts.into_event(now);
        event.dedup_key = Some(dedup_key);
        // An old ping says nothing about an agent that runs now.
        if event.event.source == Source::AgentPing {
            event.event.source = Source::OasisEvents;
            event.meta = event.meta.adding("source_given", Source::AgentPing.as_str());
        }
        Ok(event)
    }

    /// The column that becomes the time, if there is one, and then the columns of the key: the order in which
    /// the rows are imported.
    pub(super) fn order(&self) -> Vec<&str> {
        let of = |role| self.columns.iter().filter(move |(_, other)| *other == role);
        of(Role::Ts).take(1).chain(of(Role::Key)).map(|(column, _)| column.name.as_str()).collect()
    }

    /// The key of a row: the table and the primary key. Without a primary key, the whole row is the key.
    fn dedup_key(&self, fields: &Map<String, Value>, row: &str) -> Result<DedupKey, Invalid> {
        let value = |name: &str| fields.get(name).filter(|value| !value.is_null()).map(shown);
        let keys = || self.columns.iter().filter(|(_, role)| *role == Role::Key);
        let values: Option<Vec<String>> = keys().map(|(column, _)| value(&column.name)).collect();
        let table = &self.table;
        let whole = |text: &str| {
            let digest = digest(&SHA256, format!("{table}:{text}").as_bytes());
            DedupKey::of_digest(PRODUCER, "row:", digest.as_ref())
        };
        let Some(values) = values.filter(|values| !values.is_empty()) else { return whole(row) };
        let is_number = keys().all(|(column, _)| is_integer(&column.type_name));
        let time = self.key_time.as_deref().filter(|_| is_number).and_then(value);
        let time = time.map(|time| format!("@{time}")).unwrap_or_default();
        // The list has quotes, so it shows where each value ends.
        let key = if let [value] = values.as_slice() { value.clone() } else { json!(values).to_string() };
        let key = format!("{key}{time}");
        // A text may be too long for a key, or have control characters.
        DedupKey::new(PRODUCER, &format!("{table}:{key}")).or_else(|_| whole(&key))
    }
}

impl fmt::Display for Mapping {
    /// One line per column: the name, the type, and what the column becomes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&SourceColumn) -> &str| {
            self.columns.iter().map(|(column, _)| of(column).chars().count()).max().unwrap_or_default()
        };
        let (names, types) = (width(|column| &column.name), width(|column| &column.type_name));
        let mut above = None;
        for (column, role) in &self.columns {
            let SourceColumn { name, type_name, .. } = column;
            write!(f, "  {name:<names$}  {type_name:<types$}  ")?;
            match role {
                Role::Key => writeln!(f, "key of the row, meta.{name}")?,
                Role::Meta if is_object(column) => writeln!(f, "meta, each entry")?,
                Role::Meta => writeln!(f, "meta.{name}")?,
                role if above == Some(role) => {
                    writeln!(f, "{role} if the line above is null, else meta.{name}")?
                }
                role => writeln!(f, "{role}")?,
            }
            above = Some(role);
        }
        Ok(())
    }
}

/// The producer in the dedup keys.
const PRODUCER: &str = "import";

fn is_integer(type_name: &str) -> bool {
    matches!(type_name, "smallint" | "integer" | "bigint")
}

/// A time of a type without a time zone is in UTC. The time `infinity` stays as it is.
fn with_zone(value: Value, type_name: &str) -> Value {
    match (value.as_str().filter(|time| time.starts_with(|c: char| c.is_ascii_digit())), type_name) {
        (Some(time), "timestamp without time zone") => format!("{time}Z").into(),
        (Some(day), "date") => format!("{day}T00:00:00Z").into(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, type_name: &str, is_key: bool) -> SourceColumn {
        SourceColumn { name: name.into(), type_name: type_name.into(), is_key }
    }

    fn mapping(columns: &[SourceColumn], choices: &[&str]) -> Result<Mapping, String> {
        let choices: Vec<Choice> = choices.iter().map(|choice| choice.parse().unwrap()).collect();
        Mapping::of("app.events", columns, &choices).map_err(|usage| usage.to_string())
    }

    fn event(mapping: &Mapping, row: &Value) -> NewEvent {
        mapping.event(&row.to_string(), "2026-01-02T03:04:05Z".parse().unwrap()).unwrap()
    }

    fn key(mapping: &Mapping, row: &Value) -> String {
        event(mapping, row).dedup_key.unwrap().as_str().to_owned()
    }

    #[test]
    fn choices_override_the_inferred_mapping() {
        let columns = [
            column("id", "uuid", true),
            column("type", "text", false),
            column("what", "text", false),
            column("created_at", "timestamp without time zone", false),
            column("day", "date", false),
            column("source", "text", false),
        ];
        let row = json!({
            "id": "u1", "type": "t", "what": "Was done", "created_at": "2025-01-02T03:04:05.6789",
            "day": "2025-03-04", "source": "cron"
        });
        let inferred = event(&mapping(&columns, &[]).unwrap(), &row);
        assert_eq!(inferred.event.kind.as_str(), "t");
        assert_eq!(inferred.event.ts.to_string(), "2025-01-02T03:04:05.678Z");
        assert_eq!(inferred.meta.as_map()["what"], "Was done");
        assert_eq!(inferred.meta.as_map()["source_given"], "cron");

        let chosen = mapping(&columns, &["kind=what", "ts=day", "meta=source"]).unwrap();
        let shown = chosen.to_string();
        let lines: Vec<&str> = shown.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
        assert_eq!(lines, ["meta.id", "ts", "kind", "meta.source", "meta.type", "meta.created_at"]);
        assert_eq!(chosen.order(), ["day", "id"]);
        let chosen = event(&chosen, &row);
        assert_eq!(chosen.event.kind.as_str(), "was_done");
        assert_eq!(chosen.event.ts.to_string(), "2025-03-04T00:00:00.000Z");
        assert_eq!(chosen.meta.as_map()["source"], "cron");
        assert_eq!(chosen.meta.as_map()["type"], "t");
    }

    #[test]
    fn a_row_without_a_kind_or_a_time_is_marked() {
        let columns =
            [column("id", "uuid", true), column("event", "text", false), column("ts", "text", false)];
        let empty = event(&mapping(&columns, &[]).unwrap(), &json!({"id": "u", "event": null, "ts": null}));
        assert_eq!(empty.event.kind.as_str(), "event");
        assert_eq!(empty.event.ts.to_string(), "2026-01-02T03:04:05.000Z");
        assert_eq!(
            Value::from(empty.meta.as_map().clone()),
            json!({"id": "u", "kind_given": "", "ts_given": ""})
        );
    }

    #[test]
    fn a_key_is_the_primary_key_or_else_the_whole_row() {
        let kind = || column("kind", "text", false);
        let text = mapping(&[column("id", "text", false), kind()], &[]).unwrap();
        assert_eq!(key(&text, &json!({"id": "a b", "kind": "k"})), "import:app.events:a b");
        // Another database may have a table of the same name with the same numbers.
        let at = column("created_at", "timestamp with time zone", false);
        let columns = [column("id", "bigint", true), column("part", "integer", true), at, kind()];
        let row = json!({"id": 7, "part": 2, "created_at": "2025-01-02T03:04:05+00:00", "kind": "k"});
        let expected = r#"import:app.events:["7","2"]@2025-01-02T03:04:05+00:00"#;
        assert_eq!(key(&mapping(&columns, &[]).unwrap(), &row), expected);
        assert_eq!(key(&mapping(&columns, &["meta=created_at"]).unwrap(), &row), expected);

        let none = mapping(&[kind()], &[]).unwrap();
        let digest = key(&none, &json!({"kind": "k"}));
        assert!(digest.starts_with("import:row:") && digest.len() == 11 + 64, "{digest}");
        assert_ne!(digest, key(&none, &json!({"kind": "l"})));
        assert_ne!(
            key(&text, &json!({"id": null, "kind": "k"})),
            key(&text, &json!({"id": null, "kind": "l"}))
        );
        let long = key(&text, &json!({"id": "x".repeat(600), "kind": "k"}));
        assert_ne!(long, key(&text, &json!({"id": "x".repeat(601), "kind": "k"})));
    }

    #[test]
    fn only_objects_of_known_columns_are_merged_into_meta() {
        let columns = [
            column("id", "uuid", true),
            column("kind", "text", false),
            column("metadata", "jsonb", false),
            column("context", "jsonb", false),
        ];
        let row = json!({"id": "u", "kind": "k", "metadata": {"a": 1, "id": "x"}, "context": {"b": 2}});
        let meta = event(&mapping(&columns, &[]).unwrap(), &row).meta;
        let expected = json!({"id": "u", "a": 1, "payload.id": "x", "context": {"b": 2}});
        assert_eq!(Value::from(meta.as_map().clone()), expected);
    }
}
