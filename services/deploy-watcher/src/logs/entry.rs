//! An entry of the log: which one it is, what it says, and the form in which it came.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

/// What tells an entry from all others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// Its log's full name.
    pub log_name: String,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its id among those of its log and time.
    pub insert_id: String,
}

/// An entry as it came.
#[derive(Debug)]
pub struct Listed {
    /// Which one it is.
    pub id: EntryId,
    /// What came, for the case that it has to be kept.
    pub raw: Raw,
    /// What it says, or why it has no audit record that could be read.
    pub entry: Result<Entry, String>,
}

/// An entry in the form that its client knows. Hardly any is ever kept, so it is encoded only then.
pub struct Raw(Box<dyn Fn() -> Vec<u8> + Send + Sync>);

impl Raw {
    /// An entry that `encode` makes a protobuf of.
    pub fn new(encode: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self(Box::new(encode))
    }

    /// The entry's protobuf.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0()
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raw")
    }
}

/// An entry with an audit record.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The labels of the monitored resource: `project_id`, `location`, `service_name`, `revision_name`.
    pub resource: BTreeMap<String, String>,
    /// The id of the long-running operation that it is part of, or empty.
    pub operation: String,
    /// `methodName`, or empty.
    pub method: String,
    /// `resourceName`.
    pub resource_name: String,
    /// `status.code`; 0 is fine.
    pub code: i32,
    /// `status.message`.
    pub message: String,
    /// `authenticationInfo.principalEmail`.
    pub principal: String,
    /// `request`, or null.
    pub request: Value,
    /// `response`, or null.
    pub response: Value,
}
