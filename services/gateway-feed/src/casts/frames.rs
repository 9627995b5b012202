//! The frames of the stream of a cast.

use oasis_core::cast::{CastEvent, CastStatus, fields};
use oasis_core::{CastState, Ts};
use serde_json::{Map, Value};

use super::view::all_fields;
use crate::fanout::frame;

/// An event of a cast, and its fields except `castId` and `timestamp`.
pub(crate) type EventFields = (CastEvent, Map<String, Value>);

/// Appends the frames of a cast to `out`.
pub(crate) struct Frames<'a> {
    pub(crate) cast_id: &'a str,
    /// The events that the client wants. An empty list stands for all of them.
    pub(crate) wanted: &'a [CastEvent],
    pub(crate) out: &'a mut Vec<u8>,
}

impl Frames<'_> {
    /// Appends the wanted events of the row `id`. Only the last of them has the id: a client that loses its
    /// connection between two of them gets the row again.
    pub(crate) fn row(&mut self, id: i64, events: &[EventFields], at: Ts) {
        let is_wanted = |event: &CastEvent| self.wanted.is_empty() || self.wanted.contains(event);
        let wanted: Vec<&EventFields> = events.iter().filter(|(event, _)| is_wanted(event)).collect();
        for (nth, (event, members)) in wanted.iter().enumerate() {
            if nth + 1 == wanted.len() {
                frame::id(self.out, id);
            }
            let mut members = members.clone();
            members.insert("castId".to_owned(), self.cast_id.into());
            members.insert("timestamp".to_owned(), at.to_string().into());
            frame::event(self.out, event.as_str());
            frame::data(self.out, &members);
        }
    }

    /// As [`Frames::row`], for the row that ends the cast. The client always gets the id, so that it does not
    /// reconnect for ever.
    pub(crate) fn end(&mut self, id: i64, events: &[EventFields], at: Ts) {
        let before = self.out.len();
        self.row(id, events, at);
        if self.out.len() == before {
            self.out.extend_from_slice(&frame::cursor(id));
        }
    }
}

/// Some of the fields of a cast.
fn select(state: &CastState, names: &[&str]) -> Map<String, Value> {
    let mut members = all_fields(state);
    members.retain(|name, _| names.contains(&name.as_str()));
    members
}

/// The event `complete`.
pub(crate) fn complete(state: &CastState) -> EventFields {
    let names = ["status", fields::FINISHED_AT, fields::DURATION, fields::COST_CENTS, fields::ARTIFACT_URL];
    (CastEvent::Complete, select(state, &names))
}

/// The event that reports the end of a cast while its client is connected.
pub(crate) fn end(state: &CastState) -> EventFields {
    match state.status {
        CastStatus::Failed => {
            (CastEvent::Error, select(state, &["status", fields::ERROR_MESSAGE, fields::FINISHED_AT]))
        }
        CastStatus::Queued | CastStatus::Running | CastStatus::Succeeded => complete(state),
    }
}
