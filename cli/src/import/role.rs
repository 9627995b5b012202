//! Decides what a column becomes: by its name and its type, or by the user's choice.

use std::str::FromStr;

use oasis_store::SourceColumn;

/// What a column becomes. A column with any role can also be a part of the row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Ts,
    Vtid,
    Kind,
    Status,
    Module,
    Layer,
    Source,
    Link,
    /// An entry of `meta`. If [`is_object`], each entry of the column becomes an entry of `meta`.
    Meta,
}

impl Role {
    const ALL: [Self; 9] = [
        Self::Ts,
        Self::Vtid,
        Self::Kind,
        Self::Status,
        Self::Module,
        Self::Layer,
        Self::Source,
        Self::Link,
        Self::Meta,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ts => "ts",
            Self::Vtid => "vtid",
            Self::Kind => "kind",
            Self::Status => "status",
            Self::Module => "module",
            Self::Layer => "layer",
            Self::Source => "source",
            Self::Link => "link",
            Self::Meta => "meta",
        }
    }

    /// The names of columns that get this role, without underscores and in lower case. If a table has several
    /// of these columns, the first one with a value is used, and the others become entries of `meta`.
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Ts => &["ts", "createdat", "timestamp", "occurredat", "eventtime", "time", "insertedat"],
            Self::Vtid => &["vtid"],
            Self::Kind => &["kind", "topic", "type", "eventtype", "event"],
            Self::Status => &["status"],
            Self::Module => &["module", "service"],
            Self::Layer => &["layer", "vtlayer"],
            Self::Source => &["source"],
            Self::Link => &["link", "url"],
            Self::Meta => &[],
        }
    }
}

/// The names of columns whose entries become entries of `meta`, if the type of the column is json or jsonb.
const OBJECTS: [&str; 5] = ["meta", "metadata", "payload", "details", "data"];

/// The user's choice `FIELD=COLUMN` of what a column becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// `None` for `key`.
    pub(super) role: Option<Role>,
    pub(super) column: String,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, column) = text.split_once('=').ok_or("expected FIELD=COLUMN, such as kind=what")?;
        let role = Role::ALL.into_iter().find(|role| role.name() == field);
        if role.is_none() && field != "key" {
            let names = Role::ALL.map(Role::name).join(", ");
            return Err(format!("no field {field}: expected one of key, {names}"));
        }
        Ok(Self { role, column: column.to_owned() })
    }
}

/// The role of a column by its name and its type, and its precedence among the columns with the same role.
pub(super) fn inferred(column: &SourceColumn) -> (Role, usize) {
    let name = plain(&column.name);
    Role::ALL
        .into_iter()
        .filter(|role| *role != Role::Ts || may_be_time(&column.type_name))
        .find_map(|role| Some((role, role.columns().iter().position(|candidate| *candidate == name)?)))
        .unwrap_or((Role::Meta, usize::MAX))
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
    type_name.starts_with("timestamp")
        || matches!(type_name, "date" | "text" | "character varying" | "integer" | "bigint")
}
