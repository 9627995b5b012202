//! [`StateRow`]: the parts of a row from which the state of a channel is computed.

use serde_json::{Map, Value};

use crate::ts::Ts;

/// A row of a channel.
#[derive(Debug, Clone, Copy)]
pub struct StateRow<'a> {
    /// The id of the row.
    pub id: i64,
    /// The kind of the row.
    pub kind: &'a str,
    /// The `meta` of the row. Its members may have any names and values.
    pub meta: &'a Map<String, Value>,
    /// When the row was recorded.
    pub recorded_at: Ts,
}
