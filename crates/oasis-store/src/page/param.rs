//! The parameters of a statement, numbered in the order in which they are added.

use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

/// The value of a parameter.
pub(super) enum Param {
    Id(i64),
    Text(String),
    Texts(Vec<String>),
    /// The values that a filter accepts. `None` accepts any value.
    Accepted(Option<Vec<String>>),
    Time(Timestamp),
}

impl Param {
    fn bind(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Id(id) => (id, Type::INT8),
            Self::Text(text) => (text, Type::TEXT),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
            Self::Accepted(texts) => (texts, Type::TEXT_ARRAY),
            Self::Time(time) => (time, Type::TIMESTAMPTZ),
        }
    }
}

/// The parameters of one statement.
#[derive(Default)]
pub(crate) struct Params(Vec<Param>);

impl Params {
    /// Adds a parameter and returns its placeholder for the SQL, such as `$1`.
    pub(super) fn add(&mut self, param: Param) -> String {
        self.0.push(param);
        format!("${}", self.0.len())
    }

    /// The values with their types, in order.
    pub(crate) fn bind(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.0.iter().map(Param::bind).collect()
    }
}
