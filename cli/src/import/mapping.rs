//! Decides what each column of a table becomes, and turns rows into events.

use std::fmt;

use anyhow::{Context, bail};
use oasis_core::report::{Mark, Parts, shown};
use oasis_core::{DedupKey, NewEvent, Source, Ts, parse_json, repair_escapes};
use oasis_store::{SourceColumn, SourceRow, SourceTable};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use super::moment::moment;
use super::role::{Choice, Role, inferred, is_object};
use crate::output::{Usage, printable};

/// The producer in the dedup keys.
const PRODUCER: &str = "import";
/// The entry of `meta` with the source that an event cannot have.
const SOURCE_GIVEN: &str = "source_given";

/// What each column of a table becomes.
#[derive(Debug)]
pub(super) struct Mapping {
    /// The first part of the dedup keys: the name of the import (if it has one), the schema and the table.
    table: Vec<String>,
    /// The columns that identify a row. If there are none, the whole row is the key.
    keys: Vec<String>,
    /// The columns, sorted by role. Columns with the same role are in the order of precedence.
    columns: Vec<(SourceColumn, Role)>,
}

/// The event of a row.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) event: NewEvent,
    /// The values that did not fit.
    pub(super) marks: Vec<Mark>,
    /// Whether the time is that of the row, and not that of the import.
    pub(super) has_time: bool,
}

impl Mapping {
    /// Infers the mapping from the names and the types of the columns. `choices` override the inferred
    /// fields. `import` is the name of the import, for tables of different databases that have the same name
    /// and the same keys.
    ///
    /// # Errors
    /// A choice names an unknown column, two choices give a column different fields, or no column becomes the
    /// kind.
    pub(super) fn infer(
        table: &SourceTable,
        choices: &[Choice],
        import: Option<&str>,
    ) -> Result<Self, Usage> {
        let name = import.into_iter().map(str::to_owned).chain(table.name().clone()).collect();
        Self::of(name, table.columns(), choices)
    }

    fn of(table: Vec<String>, columns: &[SourceColumn], choices: &[Choice]) -> Result<Self, Usage> {
        let names = || columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let fields = || choices.iter().filter_map(|choice| Some((choice.role?, &choice.column)));
        for choice in choices {
            let Choice { column, role } = choice;
            if !columns.iter().any(|candidate| candidate.name == *column) {
                return Err(Usage(format!("the table has no column {column}; it has {}", names())));
            }
            if role.is_some() && fields().filter(|(_, other)| *other == column).count() > 1 {
                return Err(Usage(format!("--map has two fields for the column {column}")));
            }
        }
        let mut keys: Vec<String> = choices
            .iter()
            .filter(|choice| choice.role.is_none())
            .map(|choice| choice.column.clone())
            .collect();
        if keys.is_empty() {
            keys = columns.iter().filter(|column| column.is_key).map(|column| column.name.clone()).collect();
        }
        let is_chosen = |role: Role| role != Role::Meta && fields().any(|(chosen, _)| chosen == role);
        let mut ranked: Vec<(Role, usize, &SourceColumn)> = columns
            .iter()
            .map(|column| match fields().enumerate().find(|(_, (_, chosen))| **chosen == column.name) {
                Some((place, (role, _))) => (role, place, column),
                None => match inferred(column) {
                    (role, _) if is_chosen(role) => (Role::Meta, usize::MAX, column),
                    (role, place) => (role, place, column),
                },
            })
            .collect();
        ranked.sort_by_key(|(role, place, _)| (*role, *place));
        let columns = ranked.into_iter().map(|(role, _, column)| (column.clone(), role)).collect();
        let mapping = Self { table, keys, columns };
        if mapping.with(Role::Kind).next().is_none() {
            let why = "no column becomes the kind: name one with --map kind=COLUMN";
            return Err(Usage(format!("{why}. The table has {}", names())));
        }
        Ok(mapping)
    }

    /// The names of the columns with a role, in the order of precedence.
    pub(super) fn with(&self, role: Role) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(move |(_, of)| *of == role).map(|(column, _)| column.name.as_str())
    }

    /// The columns that identify a row.
    pub(super) fn keys(&self) -> Vec<&str> {
        self.keys.iter().map(String::as_str).collect()
    }

    /// Makes the event of a row. `now` becomes the time of an event without a valid time.
    ///
    /// # Errors
    /// The row cannot be read, or its key is null or not unique.
    pub(super) fn event(&self, row: &SourceRow, now: Ts) -> anyhow::Result<Imported> {
        let json = parse_json(&repair_escapes(row.json.as_bytes())).context("the row is not valid JSON")?;
        let Value::Object(mut fields) = json else { bail!("the row is not a JSON object") };
        let dedup_key = self.dedup_key(&fields, row)?;
        let mut parts = Parts::default();
        for (column, role) in &self.columns {
            let Some(value) = fields.remove(&column.name) else { continue };
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
                Role::Meta => {
                    parts.rest.insert(column.name.clone(), value);
                    continue;
                }
            };
            let is_blank = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
            if part.is_some() {
                parts.rest.insert(column.name.clone(), value);
            } else if !is_blank {
                *part = Some(if *role == Role::Ts { moment(value) } else { value });
            }
        }
        let has_ts = self.with(Role::Ts).next().is_some();
        if has_ts {
            // An empty text is not a time, so the event gets the mark `ts_given` and the time of the import.
            parts.ts.get_or_insert_with(|| "".into());
        }
        parts.kind.get_or_insert_with(|| "".into());
        // An old ping does not show that the agent is alive now.
        let was_ping = parts.source.as_ref().is_some_and(|source| source == Source::AgentPing.as_str());
        if was_ping {
            parts.rest.insert(SOURCE_GIVEN.into(), parts.source.take().unwrap_or_default());
        }
        let (mut event, mut marks) = parts.into_marked_event(now);
        event.dedup_key = Some(dedup_key);
        if was_ping {
            marks.push(Mark { name: SOURCE_GIVEN, given: Source::AgentPing.as_str().to_owned() });
        }
        let has_time = has_ts && marks.iter().all(|mark| mark.name != "ts_given");
        Ok(Imported { event, marks, has_time })
    }

    /// The dedup key of a row: the table and the values of the key columns. Without key columns, the dedup
    /// key is a digest of the table and the row. A dedup key that is too long is replaced by its digest.
    fn dedup_key(&self, fields: &Map<String, Value>, row: &SourceRow) -> anyhow::Result<DedupKey> {
        let hashed =
            |text: &str| DedupKey::of_digest(PRODUCER, "row:", digest(&SHA256, text.as_bytes()).as_ref());
        if self.keys.is_empty() {
            return Ok(hashed(&json!([self.table, row.json, row.copy]).to_string())?);
        }
        // Only a key that the user chose can have these faults.
        if row.copy > 1 {
            bail!("another row has the same key: add --map key=COLUMN for one more column");
        }
        let value = |name: &String| fields.get(name).filter(|value| !value.is_null()).map(shown);
        let Some(values) = self.keys.iter().map(value).collect::<Option<Vec<String>>>() else {
            bail!("the key is null: choose other columns with --map key=COLUMN");
        };
        // JSON shows where each name and each value ends, so different values never give the same key.
        let key = json!([self.table, values]).to_string();
        Ok(DedupKey::new(PRODUCER, &key).or_else(|_| hashed(&key))?)
    }
}

impl fmt::Display for Mapping {
    /// One line per column: the name, the type, and what the column becomes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |text: &str| printable(text).replace('\n', "\u{fffd}");
        let width = |of: fn(&SourceColumn) -> &str| {
            self.columns.iter().map(|(column, _)| of(column).chars().count()).max().unwrap_or_default()
        };
        let (names, types) = (width(|column| &column.name), width(|column| &column.type_name));
        let mut above: (Role, Vec<String>) = (Role::Meta, Vec::new());
        for (column, role) in &self.columns {
            let (name, type_name) = (plain(&column.name), plain(&column.type_name));
            if above.0 != *role {
                above = (*role, Vec::new());
            }
            let becomes = match (role, above.1.as_slice()) {
                (Role::Meta, _) if is_object(column) => "meta, each entry".to_owned(),
                (Role::Meta, _) => format!("meta.{name}"),
                (Role::Status, []) => "status (error becomes failure, warning becomes info)".to_owned(),
                (role, []) => role.name().to_owned(),
                (role, [other]) => {
                    format!("{}, if {other} has no value; otherwise meta.{name}", role.name())
                }
                (role, others) => {
                    let others = others.join(" and ");
                    format!("{}, if {others} have no value; otherwise meta.{name}", role.name())
                }
            };
            let key = if self.keys.contains(&column.name) { ", key of the row" } else { "" };
            write!(f, "\n  {name:<names$}  {type_name:<types$}  {becomes}{key}")?;
            above.1.push(name);
        }
        if self.keys.is_empty() {
            write!(f, "\n  The table has no key, so the whole row is the key. --map key=COLUMN names one.")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
