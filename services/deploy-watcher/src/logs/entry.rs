//! The parts of a log entry: its identity, its audit record, and its protobuf.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

/// The fields that identify an entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// The full name of the log: `projects/…/logs/…`.
    pub log_name: String,
    /// The time of the logged operation.
    pub timestamp: Timestamp,
    /// An id that is unique among the entries of the same log with the same timestamp.
    pub insert_id: String,
}

/// One entry on a page of a log.
#[derive(Debug)]
pub struct Listed {
    /// The fields that identify the entry.
    pub id: EntryId,
    /// The whole entry, which the quarantine stores.
    pub raw: Raw,
    /// The audit record, or the reason why the entry has no readable audit record.
    pub entry: Result<Entry, String>,
}

/// A whole entry. It is encoded only on demand, because very few entries are quarantined.
pub struct Raw(Box<dyn Fn() -> Vec<u8> + Send + Sync>);

impl Raw {
    /// `encode` must return the entry as protobuf.
    pub fn new(encode: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self(Box::new(encode))
    }

    /// Returns the entry as protobuf.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0()
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raw")
    }
}

/// The fields of an audit record that the watcher reads. If the record lacks a text, the field is empty.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The labels of the monitored resource, such as `project_id`, `location` and `service_name`.
    pub resource: BTreeMap<String, String>,
    /// The id of the long-running operation that the entry belongs to.
    pub operation: String,
    /// Whether the entry has the result of a long-running operation whose request has an entry of its own.
    pub is_result: bool,
    /// `methodName`.
    pub method: String,
    /// `resourceName`.
    pub resource_name: String,
    /// `status.code`, which is a `google.rpc.Code`. 0 means success.
    pub code: i32,
    /// `status.message`.
    pub message: String,
    /// `authenticationInfo.principalEmail`.
    pub principal: String,
    /// `request`, or null if the record has no request.
    pub request: Value,
    /// `response`, or null if the record has no response.
    pub response: Value,
}
