//! What a column becomes: by its name and its type, or as the user says.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use oasis_store::SourceColumn;

/// What a column becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Role {
    /// Identifies the row, so that a row is imported once. The value is also kept in `meta`.
    Key,
    Ts,
    Vtid,
    Kind,
    Status,
    Module,
    Layer,
    Source,
    Link,
    /// An entry of `meta`. The entries of an object, such as `metadata`, become entries of `meta`.
    Meta,
}

/// The names of columns that become a strict field, without underscores and in lower case. If a table has
/// several of them, the first one that is not null counts, and the others become entries of `meta`.
const NAMES: [(Role, &[&str]); 8] = [
    (Role::Ts, &["ts", "createdat", "timestamp", "occurredat", "eventtime", "time", "insertedat"]),
    (Role::Vtid, &["vtid"]),
    (Role::Kind, &["kind", "topic", "type", "eventtype", "event"]),
    (Role::Status, &["status"]),
    (Role::Module, &["module", "service"]),
    (Role::Layer, &["layer", "vtlayer"]),
    (Role::Source, &["source"]),
    (Role::Link, &["link", "url"]),
];
/// The objects whose entries become entries of `meta`, if the type of the column is json or jsonb.
const OBJECTS: [&str; 5] = ["meta", "metadata", "payload", "details", "data"];

/// `ROLE=COLUMN`: what the user says that a column becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) role: Role,
    pub(super) column: String,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (role, column) = text.split_once('=').ok_or("expected FIELD=COLUMN, such as kind=what")?;
        let role = Role::from_str(role, true).map_err(|_| {
            let names: Vec<String> = Role::value_variants().iter().map(ToString::to_string).collect();
            format!("no field {role}: expected one of {}", names.join(", "))
        })?;
        Ok(Self { role, column: column.to_owned() })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Ts => "ts",
            Self::Vtid => "vtid",
            Self::Kind => "kind",
            Self::Status => "status",
            Self::Module => "module",
            Self::Layer => "layer",
            Self::Source => "source",
            Self::Link => "link",
            Self::Meta => "meta",
        })
    }
}

/// What a column becomes by its name and its type, and its place among the columns with the same role.
pub(super) fn inferred(column: &SourceColumn, has_key: bool) -> (Role, usize) {
    let name = plain(&column.name);
    if column.is_key || !has_key && name == "id" {
        return (Role::Key, 0);
    }
    for (role, names) in NAMES {
        let place = names.iter().position(|candidate| *candidate == name);
        if let Some(place) = place.filter(|_| role != Role::Ts || may_be_time(&column.type_name)) {
            return (role, place);
        }
    }
    (Role::Meta, usize::MAX)
}

/// Whether the entries of a column become entries of `meta`.
pub(super) fn is_object(column: &SourceColumn) -> bool {
    let is_json = matches!(column.type_name.as_str(), "json" | "jsonb");
    is_json && OBJECTS.contains(&plain(&column.name).as_str())
}

fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "")
}

fn may_be_time(type_name: &str) -> bool {
    type_name.starts_with("timestamp") || matches!(type_name, "date" | "text" | "character varying")
}
