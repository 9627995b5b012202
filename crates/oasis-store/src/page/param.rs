//! The parameters of a statement, numbered as they are added.

use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

/// The value of a parameter.
pub(super) enum Param {
    Id(i64),
    Text(String),
    Texts(Vec<String>),
    /// `None`: any value.
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
    /// Adds a parameter and gives its place in the SQL.
    pub(super) fn add(&mut self, param: Param) -> String {
        self.0.push(param);
        format!("${}", self.0.len())
    }

    /// The values with their types, in order.
    pub(crate) fn bind(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.0.iter().map(Param::bind).collect()
    }
}
