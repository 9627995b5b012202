//! The parts of a log entry: its identity, its audit record, and its protobuf.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

/// The fields that identify an entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// The full name of its log: `projects/…/logs/…`.
    pub log_name: String,
    /// When the logged operation happened.
    pub timestamp: Timestamp,
    /// Its id, unique for its log and timestamp.
    pub insert_id: String,
}

/// An entry of a page.
#[derive(Debug)]
pub struct Listed {
    /// Its identity.
    pub id: EntryId,
    /// The whole entry, for the quarantine.
    pub raw: Raw,
    /// Its audit record, or why it has no readable one.
    pub entry: Result<Entry, String>,
}

/// A whole entry, which can be encoded. It is encoded on demand, because very few entries are quarantined.
pub struct Raw(Box<dyn Fn() -> Vec<u8> + Send + Sync>);

impl Raw {
    /// `encode` gives the entry's protobuf.
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

/// The fields of an audit record that the watcher reads. Texts that the record lacks are empty.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The labels of the monitored resource, such as `project_id`, `location` and `service_name`.
    pub resource: BTreeMap<String, String>,
    /// The id of the long-running operation that the entry belongs to.
    pub operation: String,
    /// `methodName`.
    pub method: String,
    /// `resourceName`.
    pub resource_name: String,
    /// `status.code`, a code of google.rpc; 0 means success.
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
