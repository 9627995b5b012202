//! [`View`]: a resource event as a flat JSON object, for the stream and for lists.

use oasis_core::Ts;
use oasis_core::resource::{EVENT_TYPE, TIMESTAMP};
use oasis_store::StoredEvent;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A time as Unix seconds: a number, with a fraction if the time has milliseconds.
pub(crate) struct UnixSeconds(pub(crate) Ts);

impl Serialize for UnixSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let milliseconds = self.0.instant().as_millisecond();
        if milliseconds % 1_000 == 0 {
            serializer.serialize_i64(milliseconds / 1_000)
        } else {
            serializer.serialize_f64(milliseconds as f64 / 1_000.0)
        }
    }
}

/// The event of a row. A program could write nested values with SQL. They are left out, because clients
/// expect that every value is a text, a number or a boolean.
pub(crate) struct View<'a> {
    pub(crate) row: &'a StoredEvent,
    /// Whether the object has the id of the row. In a stream, the frame has the id.
    pub(crate) with_id: bool,
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.with_id {
            map.serialize_entry("id", &self.row.id)?;
        }
        map.serialize_entry(EVENT_TYPE, self.row.kind.as_str())?;
        map.serialize_entry(TIMESTAMP, &UnixSeconds(self.row.ts))?;
        for (name, value) in self.row.meta.iter().flat_map(|meta| meta.as_map()) {
            let is_own = matches!(name.as_str(), EVENT_TYPE | TIMESTAMP) || (self.with_id && name == "id");
            if !is_own && !value.is_object() && !value.is_array() {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}
