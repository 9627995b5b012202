//! [`RoomState`]: the current state of a room, computed from its rows. A trigger of the table computes the
//! states that programs read. The tests of oasis-store compare both.

use serde_json::{Map, Value};

use crate::invisible::MOST_NAME_BYTES;
use crate::room::{Readers, kinds};
use crate::state_row::StateRow;
use crate::ts::Ts;

/// The current state of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomState {
    /// The user who owns the room.
    pub owner: Option<String>,
    /// Who may read the room.
    pub readers: Readers,
    /// Whether the room has been closed. A closed room stays closed.
    pub is_closed: bool,
    /// The title.
    pub title: Option<String>,
    /// The id of the newest row that the state contains.
    pub last_id: i64,
    /// When the row that opened the room was recorded.
    pub created_at: Ts,
    /// When the newest row that the state contains was recorded.
    pub updated_at: Ts,
}

impl RoomState {
    /// The state after one more row. `None` means that the room has not been opened. These rows have no
    /// effect: a line, a second opening, a second closing, and a change before the opening. The function
    /// `oasis_channels_fold` in `migrations/` does the same.
    pub fn fold(state: Option<Self>, row: StateRow<'_>) -> Option<Self> {
        let Some(mut state) = state else {
            return (row.kind == kinds::OPENED).then(|| Self::opened(row));
        };
        if row.id <= state.last_id {
            return Some(state);
        }
        match row.kind {
            kinds::UPDATED => {
                match member(row.meta, "owner") {
                    Member::Absent => {}
                    Member::Null => state.owner = None,
                    Member::Text(owner) => state.owner = Some(owner.to_owned()),
                }
                match member(row.meta, "title") {
                    Member::Absent => {}
                    Member::Null => state.title = None,
                    Member::Text(title) => state.title = Some(title.to_owned()),
                }
                state.readers = readers(row.meta).unwrap_or(state.readers);
            }
            kinds::CLOSED if !state.is_closed => state.is_closed = true,
            _ => return Some(state),
        }
        state.last_id = row.id;
        state.updated_at = row.recorded_at;
        Some(state)
    }

    fn opened(row: StateRow<'_>) -> Self {
        let text = |key| match member(row.meta, key) {
            Member::Text(text) => Some(text.to_owned()),
            Member::Absent | Member::Null => None,
        };
        Self {
            owner: text("owner"),
            readers: readers(row.meta).unwrap_or(Readers::SignedIn),
            is_closed: false,
            title: text("title"),
            last_id: row.id,
            created_at: row.recorded_at,
            updated_at: row.recorded_at,
        }
    }
}

/// A member of `meta`.
enum Member<'a> {
    /// The member is missing, has another type, or is an empty or a long text.
    Absent,
    Null,
    Text(&'a str),
}

fn member<'a>(meta: &'a Map<String, Value>, key: &str) -> Member<'a> {
    match meta.get(key) {
        Some(Value::Null) => Member::Null,
        Some(Value::String(text)) if (1..=MOST_NAME_BYTES).contains(&text.len()) => Member::Text(text),
        Some(_) | None => Member::Absent,
    }
}

fn readers(meta: &Map<String, Value>) -> Option<Readers> {
    meta.get("readers")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fold(rows: &[(&str, Value)]) -> Option<RoomState> {
        rows.iter().zip(1..).fold(None, |state, ((kind, meta), id)| {
            let meta = meta.as_object().unwrap();
            let recorded_at = Ts::from_unix_seconds(id).unwrap();
            RoomState::fold(state, StateRow { id, kind, meta, recorded_at })
        })
    }

    #[test]
    fn only_the_first_opening_has_an_effect() {
        assert_eq!(fold(&[("log", json!({})), ("room.updated", json!({"title": "x"}))]), None);
        assert_eq!(fold(&[("room.closed", json!({}))]), None);
        let state = fold(&[
            ("room.updated", json!({"title": "x"})),
            ("room.opened", json!({"owner": "ann", "title": "t"})),
            ("room.opened", json!({"owner": "bob", "readers": "owner"})),
        ]);
        let expected = RoomState {
            owner: Some("ann".into()),
            readers: Readers::SignedIn,
            is_closed: false,
            title: Some("t".into()),
            last_id: 2,
            created_at: Ts::from_unix_seconds(2).unwrap(),
            updated_at: Ts::from_unix_seconds(2).unwrap(),
        };
        assert_eq!(state, Some(expected));
    }

    #[test]
    fn an_update_replaces_the_members_that_it_has() {
        let opened = ("room.opened", json!({"owner": "ann", "title": "t", "readers": "owner"}));
        let after = |meta| fold(&[opened.clone(), ("room.updated", meta)]).unwrap();
        let state = after(json!({"owner": null, "title": "u"}));
        assert_eq!((state.owner, state.title, state.last_id), (None, Some("u".into()), 2));
        assert_eq!(state.readers, Readers::Owner);
        assert_eq!(after(json!({"readers": "signed_in"})).readers, Readers::SignedIn);
        let long = "x".repeat(MOST_NAME_BYTES + 1);
        for hostile in [json!({"owner": 1, "title": [], "readers": "x"}), json!({"owner": long, "title": ""})]
        {
            let state = after(hostile);
            assert_eq!((state.owner.as_deref(), state.title.as_deref()), (Some("ann"), Some("t")));
            assert_eq!(state.readers, Readers::Owner);
        }
    }

    #[test]
    fn a_closed_room_stays_closed_and_can_change() {
        let state = fold(&[
            ("room.opened", json!({})),
            ("room.closed", json!({})),
            ("room.updated", json!({"title": "t"})),
            ("room.closed", json!({})),
        ])
        .unwrap();
        assert_eq!((state.is_closed, state.title.as_deref(), state.last_id), (true, Some("t"), 3));
    }
}
